/** Pooling layers over one, two or three spatial axes: windows, whole maps, shares of maps. */
import { flatten } from "../ops/core/shape.ts";
import { averagePool, globalAveragePool as globalAveragePoolOf, maxPool } from "../ops/pool.ts";
import * as spatial from "../ops/spatial.ts";
import { channelsOf, type Each, each, type Padding, paddingOf, requireExact } from "./options.ts";
import type { Layer } from "./scope.ts";

export interface PoolOptions {
  readonly kernel: Each;
  /** As the kernel by default, so that windows do not overlap. */
  readonly stride?: Each;
  readonly padding?: Padding;
  readonly dilation?: Each;
  /** Also pool a last window that hangs over the end, as long as it starts before it: sizes are rounded up. */
  readonly ceil?: boolean;
  /** Refuse a size that the stride does not divide, instead of rounding down. */
  readonly exact?: boolean;
}

/** A window's options as the operators take them. */
function windowOf(subject: string, axes: number, options: PoolOptions) {
  const kernel = each(subject, "kernel", options.kernel, axes);
  const stride = each(subject, "stride", options.stride ?? kernel, axes);
  const dilation = each(subject, "dilation", options.dilation ?? 1, axes);
  const pads = paddingOf(subject, options.padding ?? "valid", kernel, dilation);
  const { ceil = false, exact = false } = options;
  const attributes = { kernel_shape: kernel, strides: stride, dilations: dilation, pads, ceil_mode: ceil ? 1 : 0 };
  return { kernel, stride, dilation, pads, exact, attributes };
}

const windowPool =
  (subject: string, axes: number, pool: typeof maxPool) =>
  (options: PoolOptions): Layer => {
    const window = windowOf(subject, axes, options);
    return (x) => {
      channelsOf(subject, x, axes + 2);
      if (window.exact) requireExact(subject, x, window);
      return pool(x, window.attributes);
    };
  };

/** The largest element under each window; padding never wins. Chapter, equation 1.11. */
export const maxPool2d = windowPool("maxPool2d", 2, maxPool);
export const maxPool1d = windowPool("maxPool1d", 1, maxPool);
export const maxPool3d = windowPool("maxPool3d", 3, maxPool);

export interface AveragePoolOptions extends PoolOptions {
  /** Count the padding's zeros among the elements that a mean is over. */
  readonly countIncludePad?: boolean;
}

const windowMean =
  (axes: number) =>
  ({ countIncludePad = false, ...options }: AveragePoolOptions): Layer =>
    windowPool(`averagePool${axes}d`, axes, (x, attributes) =>
      averagePool(x, { ...attributes, count_include_pad: countIncludePad ? 1 : 0 }),
    )(options);

/** The mean of the elements under each window, padding left out unless it counts. Chapter, equation 1.12. */
export const averagePool2d = windowMean(2);
export const averagePool1d = windowMean(1);
export const averagePool3d = windowMean(3);

/** The mean of each whole feature map: [batch, channels, ...size] to [batch, channels]. Chapter, equation 1.16. */
export const globalAveragePool = (): Layer => (x) => flatten(globalAveragePoolOf(x));

/** Means of windows that share the maps out among `size` elements, as PyTorch's. */
export const adaptiveAveragePool =
  ({ size }: { readonly size: readonly number[] }): Layer =>
  (x) =>
    spatial.adaptiveAveragePool(x, size);

/** The largest of the same windows. */
export const adaptiveMaxPool =
  ({ size }: { readonly size: readonly number[] }): Layer =>
  (x) =>
    spatial.adaptiveMaxPool(x, size);

/** Binomial blur of 1 to 7 taps, then every `stride`-th element. R. Zhang, ICML 2019. */
export const blurPool =
  ({ taps = 3, stride = 2 }: { readonly taps?: number; readonly stride?: number } = {}): Layer =>
  (x) =>
    spatial.blurPool(x, taps, stride);
