/** Convolution as the processing of patches: cut them out, process each, put the results together. Chapter, section 1.6. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { concat, slice } from "../ops/core/arrange.ts";
import { add } from "../ops/core/elementwise.ts";
import { flatten, reshape, shapeOf, transpose, vector } from "../ops/core/shape.ts";
import { matmul } from "../ops/matmul.ts";
import { fold as foldOf, unfold as unfoldOf } from "../ops/patches.ts";
import { slide } from "../ops/window.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import type { ConvolutionOptions } from "./convolution.ts";
import { fill, heNormal } from "./initialisers.ts";
import { axesOf, channelsOf, type WindowOptions, wholeNumber, windowOf } from "./options.ts";
import type { Layer } from "./scope.ts";

/** A window as the operators on patches take it. */
function patchesOf(subject: string, axes: number, options: WindowOptions) {
  const { pads: padding, ...window } = windowOf(subject, axes, options);
  return { ...window, padding };
}

/**
 * The patches under a sliding window as columns: [batch, channels, ...size] to [batch, channels * taps, positions],
 * a patch's elements by channel, then in row-major order. Chapter, Algorithm 1, lines 2 to 4; PyTorch's `unfold`.
 *
 * @example
 * import { fold, inputValue, unfold } from "striate";
 *
 * const image = inputValue("image", { dtype: "float32", shape: ["batch", 3, 8, 8] });
 * const columns = unfold(image, { kernel: 2, stride: 2 });
 * console.assert(columns.shape.join() === "batch,12,16");
 * console.assert(fold(columns, { kernel: 2, stride: 2, size: [8, 8] }).shape.join() === "batch,3,8,8");
 */
export const unfold = (x: Value, options: WindowOptions): Value =>
  unfoldOf(x, patchesOf("unfold", axesOf("unfold", x), options));

/**
 * Columns put back where `unfold` took them from, and added where they overlap: its transpose, not its inverse.
 * [batch, channels * taps, positions] to [batch, channels, ...size]. Chapter, Algorithm 1, lines 7 to 9.
 */
export const fold = (
  columns: Value,
  { size, ...options }: WindowOptions & { readonly size: readonly number[] },
): Value => foldOf(columns, size, patchesOf("fold", size.length, options));

/** Places where the windows stand, along each axis. */
function positionsOf(subject: string, x: Value, { kernel, stride, dilation, padding }: ReturnType<typeof patchesOf>) {
  const attributes = { auto_pad: "NOTSET", strides: stride, dilations: dilation, pads: padding };
  const { axes } = slide(subject, x.shape.slice(2), kernel, attributes);
  if (axes) return axes.map(({ output }) => output);
  throw new StriateError({
    subject,
    found: `an input of ${formatShape(x.shape)}`,
    expected: "spatial sizes that are known",
    mend: "Build it for one size, with numbers in place of names",
  });
}

/**
 * Algorithm 1 with any network as its process: patches are cut out, each becomes features by itself and like all others,
 * and these stand in the patch's place. `process` is given [patches, channels, ...kernel] and gives [patches, features]:
 * a linear function of the patch is a convolution layer; a convnet that sees the patch is that convnet, run over the image.
 * [batch, channels, ...size] to [batch, features, ...positions]. Chapter, section 1.6.
 *
 * @example
 * import { flatten, linear, patchwise, relu, sequential } from "striate";
 *
 * const process = sequential({ flatten: flatten(), fc1: linear({ features: 16 }), relu: relu(), fc2: linear({ features: 4 }) });
 * const labels = patchwise({ kernel: 5, padding: "same", process });
 */
export const patchwise =
  ({ process, ...options }: WindowOptions & { readonly process: Layer }): Layer =>
  (x, scope) => {
    const axes = axesOf("patchwise", x);
    const channels = channelsOf("patchwise", x, axes + 2);
    const window = patchesOf("patchwise", axes, options);
    const positions = positionsOf("patchwise", x, window);
    const columns = transpose(unfoldOf(x, window), [0, 2, 1]);
    const features = flatten(process(reshape(columns, [-1, channels, ...window.kernel]), scope));
    const count = channelsOf("patchwise", features, 2);
    const batch = slice(shapeOf(x), { axis: 0, start: 0, end: 1 });
    const byPlace = reshape(features, concat([batch, vector([sizeOf(positions), count])], 0));
    return reshape(transpose(byPlace, [0, 2, 1]), [0, 0, ...positions]);
  };

export type LocallyConnectedOptions = WindowOptions & Pick<ConvolutionOptions, "channels" | "bias" | "initialiser">;

/**
 * A convolution layer whose weights are not shared: every place has filters and biases of its own.
 * [batch, in, ...size] to [batch, channels, ...places], weights [...places, channels, in, ...kernel], biases
 * [channels, ...places]. K. Gregor and Y. LeCun, "Emergence of complex-like cells", 2010.
 * @throws StriateError when the spatial sizes are not known numbers
 *
 * @example
 * import { locallyConnected } from "striate";
 *
 * const layer = locallyConnected({ channels: 8, kernel: 3, stride: 2 });
 */
export function locallyConnected(options: LocallyConnectedOptions): Layer {
  const subject = "locallyConnected";
  const channels = wholeNumber(subject, "channels", options.channels);
  const { initialiser = heNormal } = options;
  return (x, scope) => {
    const axes = axesOf(subject, x);
    const window = patchesOf(subject, axes, options);
    const inputs = channelsOf(subject, x, axes + 2);
    const positions = positionsOf(subject, x, window);
    const [places, taps] = [sizeOf(positions), inputs * sizeOf(window.kernel)];
    const weight = scope.parameter(
      "weight",
      [...positions, channels, inputs, ...window.kernel],
      // Drawn as filters of one convolution, so that the fan-in is that of a place.
      (shape, random) => initialiser([places * channels, inputs, ...window.kernel], random).reshape(shape),
    );
    const patches = transpose(unfoldOf(x, window), [2, 0, 1]);
    const filters = transpose(reshape(weight, [places, channels, taps]), [0, 2, 1]);
    const y = reshape(transpose(matmul(patches, filters), [1, 2, 0]), [0, 0, ...positions]);
    return options.bias === false ? y : add(y, scope.parameter("bias", [channels, ...positions], fill(0)));
  };
}
