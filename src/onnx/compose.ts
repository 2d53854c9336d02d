/** Operators of the standard that need none of ours: each is a composition of others. https://onnx.ai/onnx/operators/ */
import { StriateError } from "../errors.ts";
import { type AttributeValue, apply, type Op } from "../graph/op.ts";
import { constant, constantOf, fixedShape, type Value } from "../graph/value.ts";
import { pad, slice } from "../ops/core/arrange.ts";
import { expand, expandLike } from "../ops/core/broadcast.ts";
import * as core from "../ops/core/elementwise.ts";
import { flatten, reshape, reshapeLike, shapeFrom, shapeOf, squeeze, unsqueeze, vector } from "../ops/core/shape.ts";
import { operators } from "../ops/registry.ts";
import { normaliseAxis, sizeOf, stridesOf } from "../tensor/shape.ts";
import { full, scalar, Tensor, tensor } from "../tensor/tensor.ts";
import { lossCompositions } from "./compose-losses.ts";
import { spatialCompositions } from "./compose-spatial.ts";
import { einsum } from "./einsum.ts";
import type { Composition, NodeForm } from "./form.ts";

const opOf = (name: string): Op => {
  const op = operators.get(`:${name}`);
  if (!op) throw new StriateError({ subject: name, found: "an operator that Striate does not have" });
  return op;
};

const first = ({ inputs, type }: NodeForm): Value => {
  if (!inputs[0]) throw new StriateError({ subject: type, found: "no operand", expected: "at least one" });
  return inputs[0];
};

/** The operands of an operator that takes any number of them. */
function several(form: NodeForm): Value[] {
  first(form);
  return form.inputs.filter((input) => input !== undefined);
}

/** A reduction by its sum, of a function of the elements, and a function of the sum. */
const bySum =
  (before: (x: Value) => Value, after: (sum: Value) => Value): Composition =>
  (form) => {
    const [x, axes] = form.inputs;
    if (!x) throw new StriateError({ subject: form.type, found: "no operand", expected: "one" });
    const none = axes ? constantOf(axes)?.size === 0 : true;
    const kept = none && form.attributes.noop_with_empty_axes === 1;
    return [after(kept ? before(x) : apply(opOf("ReduceSum"), [before(x), axes], form.attributes)[0]!)];
  };

const same = (x: Value): Value => x;
const square = (x: Value): Value => core.mul(x, x);

/** The log of a sum of exponentials, the largest taken out first so that none overflows. */
const logSumExp: Composition = (form) => {
  const [x, axes] = form.inputs;
  const kept = { ...form.attributes, keepdims: 1 };
  const reduceMaximum = opOf("ReduceMax");
  const largest = apply(reduceMaximum, [x, axes], kept)[0]!;
  const finite = core.where(core.less(core.abs(largest), Number.MAX_VALUE), largest, 0, largest.dtype);
  const sum = apply(opOf("ReduceSum"), [core.exp(core.sub(x!, finite)), axes], kept)[0]!;
  const result = core.add(core.log(sum), finite);
  const shape = apply(reduceMaximum, [x, axes], form.attributes)[0]!;
  return [form.attributes.keepdims === 0 ? reshapeLike(result, shape) : result];
};

/** Even parts of an axis, or parts of the lengths that the second operand gives. */
const split: Composition = (form) => {
  const x = first(form);
  const axis = normaliseAxis(Number(form.attributes.axis ?? 0), x.shape.length, "Split");
  const total = x.shape[axis];
  const count = form.outputs;
  const given = form.inputs[1] && (shapeFrom(form.inputs[1], "Split") as readonly number[]);
  if (!given && typeof total !== "number")
    throw new StriateError({
      subject: "Split",
      found: `even parts of axis ${axis} of length ${total}`,
      expected: "a number",
    });
  const each = Math.ceil((total as number) / count);
  const lengths =
    given ?? Array.from({ length: count }, (_, index) => Math.min(each, (total as number) - index * each));
  if (
    lengths.some((length) => !(length >= 0)) ||
    (typeof total === "number" && lengths.reduce((a, b) => a + b, 0) !== total)
  )
    throw new StriateError({
      subject: "Split",
      found: `parts of [${lengths}]`,
      expected: `lengths that add up to ${total}`,
    });
  let start = 0;
  return lengths.map((length) => {
    start += length;
    return slice(x, { axis, start: start - length, end: start });
  });
};

/** Operators that before operator set 13 worked on all axes from `axis` on, as one. */
const overRest =
  (name: string): Composition =>
  (form) => {
    const x = first(form);
    const axis = normaliseAxis(Number(form.attributes.axis ?? 1), x.shape.length, name);
    const along = (value: Value, attributes: { axis: number }): readonly Value[] => {
      const op = operators.get(`:${name}`);
      return op
        ? apply(op, [value], attributes)
        : compositions.get(name)!({ ...form, type: name, inputs: [value], attributes });
    };
    if (axis === x.shape.length - 1) return along(x, { axis });
    return [reshapeLike(along(flatten(x, axis), { axis: 1 })[0]!, x)];
  };

const constantKinds = ["value", "value_float", "value_int", "value_floats", "value_ints"] as const;

function constantTensor({ attributes }: NodeForm): Tensor {
  const kind = constantKinds.find((each) => attributes[each] !== undefined);
  const given = kind && (attributes[kind] as AttributeValue);
  if (given instanceof Tensor) return given;
  const dtype = kind?.startsWith("value_int") ? "int64" : "float32";
  if (typeof given === "number") return scalar(given, dtype);
  if (Array.isArray(given)) return tensor(given as number[], [given.length], dtype);
  throw new StriateError({
    subject: "Constant",
    found: `a constant of ${Object.keys(attributes).join(", ") || "nothing"}`,
    expected: `one of ${constantKinds.join(", ")}`,
  });
}

/** The most elements that a constant is filled with: larger ones are repeated by the engine. */
const largestFilled = 1 << 16;

const constantOfShape: Composition = (form) => {
  const value = form.attributes.value instanceof Tensor ? form.attributes.value : scalar(0);
  const shape = shapeFrom(first(form), "ConstantOfShape");
  const element = new Tensor(value.dtype, [], value.data.slice(0, 1));
  if (element.size !== 1 || shape.some((each) => typeof each === "number" && each < 0))
    throw new StriateError({
      subject: "ConstantOfShape",
      found: `a shape of [${shape}]`,
      expected: "lengths from 0 on",
    });
  const fixed = fixedShape({ dtype: "int64", shape });
  if (fixed && sizeOf(fixed) <= largestFilled) return [constant(full(fixed, Number(element.data[0]), value.dtype))];
  return [expand(constant(element), first(form))];
};

const size: Composition = (form) => {
  const x = first(form);
  const shape = fixedShape(x);
  if (shape) return [constant(scalar(sizeOf(shape), "int64"))];
  return apply(opOf("ReduceProd"), [shapeOf(x)], { keepdims: 0 });
};

/** More copies than this are no tile. */
const mostRepeats = 1 << 16;

/** A tensor of its first elements followed by the others, as often as the second operand says along each axis. */
const tile: Composition = (form) => {
  const [x, repeats] = form.inputs as [Value, Value];
  const by = shapeFrom(repeats, "Tile");
  if (by.length !== x.shape.length || by.some((each) => typeof each !== "number" || each < 0 || each > mostRepeats))
    throw new StriateError({ subject: "Tile", found: `repeats [${by}]`, expected: `${x.shape.length} numbers` });
  const between = unsqueeze(
    x,
    x.shape.map((_, axis) => 2 * axis),
  );
  const shape = fixedShape(x);
  if (!shape)
    return [
      by.reduce<Value>(
        (value, times, axis) =>
          times === 1 ? value : apply(opOf("Concat"), new Array(times as number).fill(value), { axis })[0]!,
        x,
      ),
    ];
  const wide = expand(between, vector(shape.flatMap((length, axis) => [by[axis] as number, length])));
  return [
    reshape(
      wide,
      shape.map((length, axis) => length * (by[axis] as number)),
    ),
  ];
};

/** Hardmax: 1 at the first largest element of an axis, 0 elsewhere. */
const hardmax: Composition = (form) => {
  const x = first(form);
  const axis = normaliseAxis(Number(form.attributes.axis ?? -1), x.shape.length, "Hardmax");
  const length = x.shape[axis];
  if (typeof length !== "number")
    throw new StriateError({ subject: "Hardmax", found: `axis ${axis} of length ${length}`, expected: "a number" });
  const chosen = apply(opOf("ArgMax"), [x], { axis, keepdims: 0 })[0]!;
  const values = constant(tensor([0, 1], [2], x.dtype));
  return apply(opOf("OneHot"), [chosen, constant(tensor([length], [], "int64")), values], { axis });
};

/** 0, 1, 2 … along the axes of a matrix, ones on its k-th diagonal. */
const eyeLike: Composition = (form) => {
  const x = first(form);
  const shape = fixedShape(x);
  if (shape?.length !== 2 || sizeOf(shape) > largestFilled)
    throw new StriateError({
      subject: "EyeLike",
      found: `an operand of [${x.shape}]`,
      expected: "a matrix of fixed size",
    });
  const k = Number(form.attributes.k ?? 0);
  const ones = Array.from({ length: sizeOf(shape) }, (_, index) =>
    (index % shape[1]!) - Math.floor(index / shape[1]!) === k ? 1 : 0,
  );
  const eye = constant(tensor(ones, shape, x.dtype));
  const to = form.attributes.dtype as number | undefined;
  return [to === undefined ? eye : apply(opOf("Cast"), [eye], { to })[0]!];
};

const pairwise =
  (combine: (left: Value, right: Value) => Value): Composition =>
  (form) => [several(form).reduce(combine)];

/** Where the mean over axes is taken away and the result divided by the deviation. */
const meanVariance: Composition = (form) => {
  const x = first(form);
  const axes = (form.attributes.axes ?? [0, 2, 3]) as readonly number[];
  const mean = (value: Value) => apply(opOf("ReduceMean"), [value, vector(axes)], { keepdims: 1 })[0]!;
  const centred = core.sub(x, mean(x));
  return [core.div(centred, core.sqrt(core.add(mean(square(centred)), 1e-9)))];
};

/** x sigmoid(alpha x). */
const swish: Composition = (form) => {
  const x = first(form);
  const alpha = Number(form.attributes.alpha ?? 1);
  return [core.mul(x, core.sigmoid(alpha === 1 ? x : core.mul(x, alpha)))];
};

/** The middle of the axes: as much is cut or padded before as after, the odd element after. */
const centerCropPad: Composition = (form) => {
  const x = first(form);
  const lengths = form.inputs[1] ? shapeFrom(form.inputs[1], "CenterCropPad") : [];
  const axes = (form.attributes.axes ?? x.shape.map((_, axis) => axis)) as readonly number[];
  let value = x;
  const pads: [number, number][] = x.shape.map(() => [0, 0]);
  axes.forEach((given, index) => {
    const axis = normaliseAxis(given, x.shape.length, "CenterCropPad");
    const [from, to] = [x.shape[axis], lengths[index]];
    if (typeof from !== "number" || typeof to !== "number")
      throw new StriateError({
        subject: "CenterCropPad",
        found: `axis ${axis} of length ${from}`,
        expected: "a number",
      });
    const start = Math.floor((from - to) / 2);
    const before = Math.floor((to - from) / 2);
    if (to < from) value = slice(value, { axis, start, end: start + to });
    else pads[axis] = [before, to - from - before];
  });
  return [pad(value, pads)];
};

/** Batch normalisation by the batch's statistics, as files said it that had five outputs. */
const batchNormalisationWithSaved: Composition = (form) => {
  const [y, mean, variance] = apply(opOf("BatchNormalization"), form.inputs, { ...form.attributes, training_mode: 1 });
  return [y!, mean!, variance!, mean!, variance!];
};

/** A dropout that also says what it kept: all, outside training. */
const dropoutWithMask: Composition = (form) => {
  const x = first(form);
  const { seed } = form.attributes;
  const y = apply(opOf("Dropout"), form.inputs, seed === undefined ? {} : { seed })[0]!;
  return [y, expandLike(constant(tensor([1], [], "bool")), x)];
};

/** A whole number to the power of one that need not be. */
const powerOfWhole: Composition = ({ inputs }) => {
  const [base, exponent] = inputs as [Value, Value];
  return [core.cast(core.pow(core.cast(base, exponent.dtype), exponent), base.dtype)];
};

/** A product of matrices of which one is a vector. */
const vectorProduct: Composition = ({ inputs }) => {
  const [left, right] = inputs as [Value, Value];
  const [flatLeft, flatRight] = [left.shape.length === 1, right.shape.length === 1];
  const product = apply(opOf("MatMul"), [
    flatLeft ? unsqueeze(left, [0]) : left,
    flatRight ? unsqueeze(right, [1]) : right,
  ])[0]!;
  return [squeeze(product, [...(flatLeft ? [-2] : []), ...(flatRight ? [-1] : [])])];
};

/** An operator on whole numbers, zero points taken away, in floats that hold its sums exactly. */
const onWhole =
  (name: string): Composition =>
  (form) => {
    const [x, w, xZero, wZero] = form.inputs as (Value | undefined)[];
    const float = (value: Value): Value => core.cast(value, "float32");
    const centred = (value: Value, zero: Value | undefined): Value =>
      zero ? core.sub(float(value), float(zero)) : float(value);
    if (!x || !w) throw new StriateError({ subject: form.type, found: "one operand", expected: "two" });
    // A convolution's zero points are one for each of its filters.
    const perFilter = name === "Conv" && wZero?.shape.length === 1;
    const zero = perFilter ? reshape(wZero, [-1, ...w.shape.slice(1).map(() => 1)]) : wZero;
    return [core.cast(apply(opOf(name), [centred(x, xZero), centred(w, zero)], form.attributes)[0]!, "int32")];
  };

/** Where a constant is not zero, as a column of indices for each element. */
const nonZero: Composition = (form) => {
  const x = constantOf(first(form));
  if (!x)
    throw new StriateError({
      subject: "NonZero",
      found: "an operand that depends on the data",
      expected: "a constant",
    });
  const strides = stridesOf(x.shape);
  const at = x.toArray().flatMap((value, index) => (value === 0 ? [] : [index]));
  const columns = x.shape.flatMap((length, axis) => at.map((index) => Math.floor(index / strides[axis]!) % length));
  return [constant(tensor(columns, [x.shape.length, at.length], "int64"))];
};

/** The first operand in the second's element type. */
const castLike: Composition = (form) => {
  const [x, like] = form.inputs;
  if (!x || !like) throw new StriateError({ subject: "CastLike", found: "one operand", expected: "two" });
  return [core.cast(x, like.dtype)];
};

/** By the name of an operator of the standard domain. */
export const compositions: ReadonlyMap<string, Composition> = new Map<string, Composition>([
  ["BatchNormalizationWithSaved", batchNormalisationWithSaved],
  ["CastLike", castLike],
  ["CenterCropPad", centerCropPad],
  ["Constant", (form) => [constant(constantTensor(form))]],
  ["ConstantOfShape", constantOfShape],
  ["ConvInteger", onWhole("Conv")],
  ["DropoutWithMask", dropoutWithMask],
  ["Einsum", einsum],
  ["EyeLike", eyeLike],
  ["Hardmax", hardmax],
  ["HardmaxOverRest", overRest("Hardmax")],
  ["LogSoftmaxOverRest", overRest("LogSoftmax")],
  ["MatMulInteger", onWhole("MatMul")],
  ["MatMulOfVector", vectorProduct],
  ["Mean", (form) => [core.div(several(form).reduce(core.add), several(form).length)]],
  ["MeanVarianceNormalization", meanVariance],
  ["NonZero", nonZero],
  ["PowOfWhole", powerOfWhole],
  ["ReduceL1", bySum(core.abs, same)],
  ["ReduceL2", bySum(square, core.sqrt)],
  ["ReduceLogSum", bySum(same, core.log)],
  ["ReduceLogSumExp", logSumExp],
  ["ReduceSumSquare", bySum(square, same)],
  ["Size", size],
  ["SoftmaxOverRest", overRest("Softmax")],
  ["Split", split],
  ["Sum", pairwise(core.add)],
  ["Swish", swish],
  ["Tile", tile],
  ...lossCompositions,
  ...spatialCompositions,
]);
