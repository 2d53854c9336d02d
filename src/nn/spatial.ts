/** Layers over one, two or three spatial axes: resampling and pooling. */
import { resizeTo } from "../ops/resize.ts";
import * as spatial from "../ops/spatial.ts";
import type { Layer } from "./scope.ts";

export interface UpsampleOptions {
  /** The lengths of the spatial axes. */
  readonly size: readonly number[];
  readonly mode?: "nearest" | "linear" | "cubic";
  /** Whether the outermost elements stay outermost; by default elements are areas. */
  readonly alignCorners?: boolean;
}

/**
 * Maps resized, as PyTorch's `interpolate` does: nearest, (bi)linear or (bi)cubic.
 *
 * @example
 * import { upsample } from "striate";
 *
 * const layer = upsample({ size: [32, 32], mode: "linear" });
 */
export const upsample =
  ({ size, mode = "nearest", alignCorners = false }: UpsampleOptions): Layer =>
  (x) =>
    resizeTo(x, size, {
      mode,
      nearest_mode: "floor",
      coordinate_transformation_mode:
        mode === "nearest" ? "asymmetric" : alignCorners ? "align_corners" : "pytorch_half_pixel",
    });

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

/** Channels to places: `factor` times as long along each axis. W. Shi et al., CVPR 2016. */
export const pixelShuffle =
  ({ factor }: { readonly factor: number }): Layer =>
  (x) =>
    spatial.pixelShuffle(x, factor);
