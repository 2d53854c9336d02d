/** Layers that drop at random in training: elements, maps and whole paths. */
import { dropoutOf, sliceDropoutOf } from "../ops/dropout.ts";
import type { Layer } from "./scope.ts";

/**
 * In training zeroes each element with probability `ratio` and scales the others by 1 / (1 - ratio); otherwise nothing.
 * Srivastava et al., "Dropout", JMLR 2014.
 */
export const dropout =
  ({ ratio = 0.5 }: { readonly ratio?: number } = {}): Layer =>
  (x) =>
    dropoutOf(x, ratio);

/**
 * In training zeroes whole maps of [batch, channels, ...] with probability `ratio` and scales the others by
 * 1 / (1 - ratio); otherwise nothing. J. Tompson et al., "Efficient object localization", CVPR 2015.
 */
export const spatialDropout =
  ({ ratio = 0.5 }: { readonly ratio?: number } = {}): Layer =>
  (x) =>
    sliceDropoutOf("spatialDropout", x, ratio, 2);

/**
 * In training zeroes whole samples with probability `ratio` and scales the others by 1 / (1 - ratio): at the end of a
 * residual's body it skips that body. G. Huang et al., "Deep networks with stochastic depth", ECCV 2016.
 *
 * @example
 * import { conv2d, relu, residual, sequential, stochasticDepth } from "striate";
 *
 * const conv = conv2d({ channels: 8, kernel: 3, padding: "same" });
 * const block = residual({ body: sequential({ conv, relu: relu(), drop: stochasticDepth({ ratio: 0.2 }) }) });
 */
export const stochasticDepth =
  ({ ratio }: { readonly ratio: number }): Layer =>
  (x) =>
    sliceDropoutOf("stochasticDepth", x, ratio, 1);
