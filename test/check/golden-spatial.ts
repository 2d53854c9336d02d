/** How PyTorch's functions over the spatial axes of maps are said in layers of ours. */
import type { Value } from "../../src/graph/value.ts";
import * as nn from "../../src/index.ts";
import { type Border, padBorders } from "../../src/ops/padding.ts";
import { through } from "./golden-layer.ts";

type Builder = (inputs: Readonly<Record<string, Value>>, options: Readonly<Record<string, unknown>>) => Value;
type Lengths = number | readonly number[];

const interpolations: Readonly<Record<string, nn.UpsampleOptions["mode"]>> = {
  nearest: "nearest",
  bilinear: "linear",
  bicubic: "cubic",
};

export const spatialBuilders: Readonly<Record<string, Builder>> = {
  adaptive_avg_pool2d: ({ x }, { output_size }) =>
    through(nn.adaptiveAveragePool({ size: output_size as Lengths }), x!),
  adaptive_max_pool2d: ({ x }, { output_size }) => through(nn.adaptiveMaxPool({ size: output_size as Lengths }), x!),
  lp_pool2d: ({ x }, { norm_type, kernel_size, stride }) =>
    through(nn.lpPool({ p: norm_type as number, kernel: kernel_size as Lengths, stride: stride as Lengths }), x!),
  max_unpool2d_of_max_pool2d: ({ x }, { kernel_size, stride }) =>
    through(nn.unpooled({ kernel: kernel_size as Lengths, stride: stride as Lengths, body: (pooled) => pooled }), x!),
  max_over_channels: ({ x }, { groups_of }) => through(nn.channelPool({ size: groups_of as number }), x!),
  pixel_shuffle: ({ x }, { upscale }) => through(nn.pixelShuffle({ factor: upscale as number }), x!),
  unfold: ({ x }, { kernel_size, stride, padding, dilation }) =>
    nn.unfold(x!, {
      kernel: kernel_size as Lengths,
      stride: stride as Lengths,
      padding: padding as Lengths,
      dilation: dilation as Lengths | undefined,
    }),
  pad: ({ x }, { mode, pads_h, pads_w }) =>
    padBorders(x!, [pads_h, pads_w] as [number, number][], (mode === "constant" ? "zeros" : mode) as Border),
  interpolate: ({ x }, { size, mode, align_corners }) =>
    through(
      nn.upsample({
        size: size as Lengths,
        mode: interpolations[mode as string],
        alignCorners: (align_corners as boolean | null) ?? false,
      }),
      x!,
    ),
};
