/** Layers over one, two or three spatial axes: resampling. */
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
      coordinate_transformation_mode: mode === "nearest" ? "asymmetric" : alignCorners ? "align_corners" : "half_pixel",
    });

/** Channels to places: `factor` times as long along each axis. W. Shi et al., CVPR 2016. */
export const pixelShuffle =
  ({ factor }: { readonly factor: number }): Layer =>
  (x) =>
    spatial.pixelShuffle(x, factor);
