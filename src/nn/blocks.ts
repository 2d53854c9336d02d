/** Ways to join layers: gates, branches and concatenations. */
import { StriateError } from "../errors.ts";
import type { Dimension, Value } from "../graph/value.ts";
import { concat, pad } from "../ops/core/arrange.ts";
import { add, mul, sigmoid as sigmoidOf, sub } from "../ops/core/elementwise.ts";
import { reshape, reshapeLike, transpose } from "../ops/core/shape.ts";
import { averagePool, globalAveragePool } from "../ops/pool.ts";
import { formatShape } from "../tensor/shape.ts";
import { relu, sigmoid } from "./activations.ts";
import { pointwiseConv } from "./convolution.ts";
import { axesOf, channelsOf, type Each, each, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

const mends: Readonly<Record<string, string>> = {
  residual: "Give it a shortcut that makes them one, such as `projectionShortcut`",
  branches: "Give the branches one shape, or concatenate them",
};

/** Demands one shape of two values that are to be added: broadcasting would hide a mistake. Names are taken to fit. */
function requireShape(subject: string, part: string, found: Value, like: Value): void {
  const fits = (length: Dimension, axis: number) =>
    typeof length === "string" || typeof like.shape[axis] === "string" || length === like.shape[axis];
  if (found.shape.length === like.shape.length && found.shape.every(fits)) return;
  throw new StriateError({
    subject,
    found: `${part} of ${formatShape(found.shape)}`,
    expected: formatShape(like.shape),
    mend: mends[subject],
  });
}

/**
 * body(x) + x, or body(x) + shortcut(x) where the body gives another shape. K. He et al., "Deep residual learning", CVPR
 * 2016; chapter, equation 1.19.
 * @throws StriateError when the two have different shapes
 *
 * @example
 * import { conv2d, projectionShortcut, relu, residual, sequential } from "striate";
 *
 * const block = residual({
 *   body: sequential({
 *     conv1: conv2d({ channels: 16, kernel: 3, stride: 2, padding: 1 }),
 *     relu1: relu(),
 *     conv2: conv2d({ channels: 16, kernel: 3, padding: 1 }),
 *   }),
 *   shortcut: projectionShortcut({ channels: 16, stride: 2 }),
 * });
 */
export const residual =
  ({ body, shortcut }: { readonly body: Layer; readonly shortcut?: Layer }): Layer =>
  (x, scope) => {
    const y = body(x, scope);
    const carried = shortcut ? scope.apply("shortcut", shortcut, x) : x;
    requireShape("residual", "a body", y, carried);
    return add(y, carried);
  };

export interface ShortcutOptions {
  /** Those that the body gives. */
  readonly channels: number;
  /** The body's, by which maps grow smaller. */
  readonly stride?: Each;
}

/** A shortcut with weights, the W x of He et al. (option B): a 1 x 1 convolution without bias; follow it with `batchNorm`. */
export const projectionShortcut = ({ channels, stride }: ShortcutOptions): Layer =>
  pointwiseConv({ channels, stride, bias: false });

/**
 * A shortcut without weights (He et al., option A): every `stride`-th element of the maps, and maps of zeros after them.
 * @throws StriateError for fewer channels than come in
 */
export function zeroPaddingShortcut({ channels, stride = 1 }: ShortcutOptions): Layer {
  const subject = "zeroPaddingShortcut";
  wholeNumber(subject, "channels", channels);
  return (x) => {
    const axes = axesOf(subject, x);
    const inputs = channelsOf(subject, x, axes + 2);
    if (channels < inputs)
      throw new StriateError({ subject, found: `${channels} channels`, expected: `at least the input's ${inputs}` });
    const kernel_shape = new Array<number>(axes).fill(1);
    const strides = each(subject, "stride", stride, axes);
    const sampled = strides.every((step) => step === 1) ? x : averagePool(x, { kernel_shape, strides });
    return pad(
      sampled,
      x.shape.map((_, axis) => [0, axis === 1 ? channels - inputs : 0]),
    );
  };
}

export interface HighwayOptions {
  readonly body: Layer;
  readonly gate: Layer;
  /** How far the gate starts closed: taken from what it gives, so that the input is carried at first. 0 by default. */
  readonly carry?: number;
}

/**
 * t body(x) + (1 - t) x with t = sigmoid(gate(x) - carry): layers that learn how much of their input to carry on. The
 * authors start gates with biases of -1 to -3, which is a `carry` of 1 to 3. R. Srivastava et al., "Highway networks", 2015.
 * @throws StriateError when body or gate give another shape than the input's
 *
 * @example
 * import { conv2d, highway, relu, sequential } from "striate";
 *
 * const conv = conv2d({ channels: 8, kernel: 3, padding: "same" });
 * const layer = highway({ body: sequential({ conv, relu: relu() }), gate: conv, carry: 2 });
 */
export const highway =
  ({ body, gate, carry = 0 }: HighwayOptions): Layer =>
  (x, scope) => {
    const opened = scope.apply("gate", gate, x);
    const y = scope.apply("body", body, x);
    requireShape("highway", "a gate", opened, x);
    requireShape("highway", "a body", y, x);
    const share = sigmoidOf(carry === 0 ? opened : sub(opened, carry));
    return add(mul(share, y), mul(sub(1, share), x));
  };

export interface SqueezeExcitationOptions {
  /** Channels between the two layers that make the gates. */
  readonly squeeze: number;
  /** Between the two layers; ReLU by default. */
  readonly activation?: Layer;
  /** From the second layer to gates; the sigmoid by default. */
  readonly gate?: Layer;
}

/**
 * Each map of [batch, channels, ...size] times a gate, computed from the means of all maps by two layers, fc1 and
 * fc2. J. Hu et al., "Squeeze-and-excitation networks", CVPR 2018.
 *
 * @example
 * import { conv2d, sequential, squeezeExcitation } from "striate";
 *
 * const block = sequential({ conv: conv2d({ channels: 16, kernel: 3 }), se: squeezeExcitation({ squeeze: 4 }) });
 */
export function squeezeExcitation(options: SqueezeExcitationOptions): Layer {
  const { activation = relu(), gate = sigmoid() } = options;
  const squeeze = wholeNumber("squeezeExcitation", "squeeze", options.squeeze);
  return (x, scope) => {
    const channels = channelsOf("squeezeExcitation", x, axesOf("squeezeExcitation", x) + 2);
    const squeezed = scope.apply("fc1", pointwiseConv({ channels: squeeze }), globalAveragePool(x));
    const active = scope.apply("activation", activation, squeezed);
    const excited = scope.apply("fc2", pointwiseConv({ channels }), active);
    return mul(x, scope.apply("scale_activation", gate, excited));
  };
}

/** The input and body(x) one after the other along the channels. G. Huang et al., "Densely connected ...", CVPR 2017. */
export const denseConnection =
  ({ body }: { readonly body: Layer }): Layer =>
  (x, scope) =>
    concat([x, body(x, scope)], 1);

/** A dimension as a name, empty for a number, and what is added to it: `height-4` is `height` and -4. */
function partsOf(dimension: Dimension): readonly [string, number] {
  if (typeof dimension === "number") return ["", dimension];
  const [, name, added] = /^(.*?)([+-]\d+)?$/.exec(dimension)!;
  return [name!, Number(added ?? 0)];
}

/** How much longer one dimension is than another, or NaN where their names do not tell. */
function longer(dimension: Dimension, other: Dimension): number {
  const [[name, added], [otherName, otherAdded]] = [partsOf(dimension), partsOf(other)];
  return name === otherName ? added - otherAdded : Number.NaN;
}

/**
 * The middle of `skip`, cut to the size of `x`, and `x`, one after the other along the channels; of an odd rest one
 * element more is cut off at the end. O. Ronneberger et al., "U-Net", MICCAI 2015; chapter, section 1.5.1.
 * @throws StriateError when `skip` is smaller than `x` along an axis
 */
export function cropAndConcatenate(skip: Value, x: Value): Value {
  const subject = "cropAndConcatenate";
  const more = skip.shape.map((length, axis) => (axis < 2 ? 0 : longer(length, x.shape[axis]!)));
  if (skip.shape.length !== x.shape.length || !more.every((rest) => rest >= 0))
    throw new StriateError({
      subject,
      found: `maps of ${formatShape(skip.shape.slice(2))} to be cut to ${formatShape(x.shape.slice(2))}`,
      expected: "sizes known to be at least as large",
    });
  const cut = pad(
    skip,
    more.map((rest) => [-Math.floor(rest / 2), -Math.ceil(rest / 2)]),
  );
  return concat([cut, x], 1);
}

/**
 * The input, cut to the size of body(x), and body(x), one after the other along the channels: one level of a U-Net, whose
 * body goes down, through the levels below, and up again. O. Ronneberger et al., "U-Net", MICCAI 2015.
 *
 * @example
 * import { conv2d, convTranspose2d, maxPool2d, relu, sequential, skipConnection } from "striate";
 *
 * const level = skipConnection({
 *   body: sequential({
 *     down: maxPool2d({ kernel: 2 }),
 *     conv: conv2d({ channels: 16, kernel: 3 }),
 *     relu: relu(),
 *     up: convTranspose2d({ channels: 8, kernel: 2, stride: 2 }),
 *   }),
 * });
 */
export const skipConnection =
  ({ body }: { readonly body: Layer }): Layer =>
  (x, scope) =>
    cropAndConcatenate(x, body(x, scope));

export interface BranchesOptions {
  /** "concatenate", by default: the outputs one after the other along the channels; "add": their sum. */
  readonly join?: "concatenate" | "add";
}

/**
 * Layers side by side on one input, named by their keys, their outputs one after the other along the channels, or added.
 * C. Szegedy et al., "Going deeper with convolutions", CVPR 2015; added: S. Xie et al., "Aggregated residual
 * transformations", CVPR 2017.
 * @throws StriateError when outputs that are to be added have different shapes
 *
 * @example
 * import { branches, conv2d } from "striate";
 *
 * const inception = branches({
 *   narrow: conv2d({ channels: 4, kernel: 1 }),
 *   wide: conv2d({ channels: 4, kernel: 3, padding: "same" }),
 * });
 * const added = branches({ a: conv2d({ channels: 4, kernel: 1 }), b: conv2d({ channels: 4, kernel: 1 }) }, { join: "add" });
 */
export function branches(
  layers: Readonly<Record<string, Layer>>,
  { join = "concatenate" }: BranchesOptions = {},
): Layer {
  if (Object.keys(layers).length === 0)
    throw new StriateError({ subject: "branches", found: "no layers", expected: "at least one" });
  return (x, scope) => {
    const outputs = Object.entries(layers).map(([name, layer]): Value => scope.apply(name, layer, x));
    if (join === "concatenate") return concat(outputs, 1);
    for (const [at, name] of Object.keys(layers).entries())
      requireShape("branches", `branch "${name}"`, outputs[at]!, outputs[0]!);
    return outputs.reduce(add);
  };
}

/**
 * Channel c of g groups goes to place (c mod n) g + floor(c / n), n being the channels of a group: grouped convolutions
 * after it see all groups. X. Zhang et al., "ShuffleNet", CVPR 2018.
 */
export function channelShuffle({ groups }: { readonly groups: number }): Layer {
  wholeNumber("channelShuffle", "groups", groups);
  return (x) => {
    const channels = x.shape[1];
    if (typeof channels !== "number" || channels % groups !== 0)
      throw new StriateError({
        subject: "channelShuffle",
        found: `an input of ${formatShape(x.shape)} in ${groups} groups`,
        expected: "whole groups of channels",
      });
    const split = reshape(x, [0, groups, channels / groups, -1]);
    return reshapeLike(transpose(split, [0, 2, 1, 3]), x);
  };
}
