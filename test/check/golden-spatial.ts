/** How PyTorch's functions over the spatial axes of maps are said in operators of ours. */
import type { Value } from "../../src/graph/value.ts";
import { reduceMax } from "../../src/ops/core/reduce.ts";
import * as depthSpace from "../../src/ops/depth-space.ts";
import * as padding from "../../src/ops/padding.ts";
import * as patches from "../../src/ops/patches.ts";
import * as pooling from "../../src/ops/pooling.ts";
import { overChannels } from "../../src/ops/pooling.ts";
import { resizeTo } from "../../src/ops/resize.ts";

type Builder = (inputs: Readonly<Record<string, Value>>, options: Readonly<Record<string, unknown>>) => Value;

const twice = (value: unknown): readonly number[] =>
  typeof value === "number" ? [value, value] : (value as readonly number[]);

const interpolations: Readonly<Record<string, string>> = { nearest: "nearest", bilinear: "linear", bicubic: "cubic" };

export const spatialBuilders: Readonly<Record<string, Builder>> = {
  adaptive_avg_pool2d: ({ x }, { output_size }) => pooling.adaptiveAveragePool(x!, twice(output_size)),
  adaptive_max_pool2d: ({ x }, { output_size }) => pooling.adaptiveMaxPool(x!, twice(output_size)),
  lp_pool2d: ({ x }, { norm_type, kernel_size, stride }) =>
    pooling.lpPool(x!, norm_type as number, { kernel_shape: twice(kernel_size), strides: twice(stride) }),
  max_unpool2d_of_max_pool2d: ({ x }, { kernel_size, stride }) =>
    pooling.maxUnpoolOfMaxPool(x!, { kernel_shape: twice(kernel_size), strides: twice(stride) }),
  max_over_channels: ({ x }, { groups_of }) => overChannels(x!, groups_of as number, reduceMax),
  pixel_shuffle: ({ x }, { upscale }) => depthSpace.pixelShuffle(x!, upscale as number),
  unfold: ({ x }, { kernel_size, stride, padding, dilation = 1 }) =>
    patches.unfold(x!, {
      kernel: twice(kernel_size),
      stride: twice(stride),
      padding: twice(padding),
      dilation: twice(dilation),
    }),
  pad: ({ x }, { mode, pads_h, pads_w }) =>
    padding.padBorders(
      x!,
      [pads_h, pads_w] as [number, number][],
      (mode === "constant" ? "zeros" : mode) as padding.Border,
    ),
  interpolate: ({ x }, { size, mode, align_corners }) =>
    resizeTo(x!, size as readonly number[], {
      mode: interpolations[mode as string],
      nearest_mode: "floor",
      coordinate_transformation_mode:
        mode === "nearest" ? "asymmetric" : align_corners ? "align_corners" : "half_pixel",
    }),
};
