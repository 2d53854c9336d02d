/** What nodes of older operator sets say, in the words of the one in memory. https://onnx.ai/onnx/operators/ */
import { StriateError } from "../errors.ts";
import type { AttributeValue } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import type { ConvTransposeAttributes } from "../ops/conv.ts";
import { expand } from "../ops/core/broadcast.ts";
import { cast } from "../ops/core/elementwise.ts";
import { reshape, unsqueeze, vector } from "../ops/core/shape.ts";
import { windowOf } from "../ops/window.ts";
import { isFloat } from "../tensor/dtype.ts";
import { formatShape } from "../tensor/shape.ts";
import { scalar, tensor } from "../tensor/tensor.ts";
import type { NodeForm } from "./form.ts";

interface Upgrade {
  /** The first operator set whose form needs no upgrade. */
  readonly before: number;
  readonly of: readonly string[];
  readonly upgrade: (form: NodeForm) => NodeForm;
}

const without = (attributes: NodeForm["attributes"], ...names: readonly string[]) =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));

const dropping =
  (...names: readonly string[]) =>
  (form: NodeForm): NodeForm => ({ ...form, attributes: without(form.attributes, ...names) });

/** Attributes that became operands, from operand `first` on, each made a value. */
const asOperands =
  (first: number, ...settings: readonly (readonly [string, (value: AttributeValue, form: NodeForm) => Value])[]) =>
  (form: NodeForm): NodeForm => {
    const inputs = [...form.inputs];
    settings.forEach(([name, make], index) => {
      const given = form.attributes[name];
      if (given === undefined) return;
      while (inputs.length < first + index) inputs.push(undefined);
      inputs[first + index] ??= make(given, form);
    });
    const names = settings.map(([name]) => name);
    return { ...form, inputs, attributes: without(form.attributes, ...names) };
  };

const whole = (value: AttributeValue): Value => vector(value as readonly number[]);
const number = (value: AttributeValue, { inputs }: NodeForm): Value =>
  constant(scalar(value as number, inputs[0]?.dtype ?? "float32"));
const floats = (value: AttributeValue): Value => {
  const numbers = value as readonly number[];
  return constant(tensor(numbers, [numbers.length]));
};

/** Before operator set 7, a second operand was laid along the first's axes from `axis` on. */
function alignOperand(form: NodeForm): NodeForm {
  const { broadcast, axis } = form.attributes as { broadcast?: number; axis?: number };
  const attributes = without(form.attributes, "broadcast", "axis", "consumed_inputs");
  const [left, right] = form.inputs;
  if (broadcast !== 1 || axis === undefined || !left || !right) return { ...form, attributes };
  const start = axis < 0 ? axis + left.shape.length : axis;
  const after = left.shape.length - start - right.shape.length;
  if (after <= 0) return { ...form, attributes };
  const added = Array.from({ length: after }, (_, index) => right.shape.length + index);
  return { ...form, attributes, inputs: [left, unsqueeze(right, added)] };
}

/** Before operator set 7, a vector of slopes had one for each channel, whatever axes follow. */
function slopesOfChannels(form: NodeForm): NodeForm {
  const [x, slope] = form.inputs;
  if (!x || slope?.shape.length !== 1 || slope.shape[0] === 1) return form;
  return {
    ...form,
    inputs: [
      x,
      unsqueeze(
        slope,
        x.shape.slice(2).map((_, axis) => axis + 1),
      ),
    ],
  };
}

function upsample(form: NodeForm): NodeForm {
  const [x, scales] = asOperands(1, ["scales", floats])(form).inputs;
  const { mode = "nearest" } = form.attributes;
  return { ...form, type: "Resize", inputs: [x, undefined, scales], attributes: asymmetric(String(mode)) };
}

/** Before operator set 7, the scales of a map's two axes were attributes of their own. */
function scalesOfTwoAxes({ attributes, ...form }: NodeForm): NodeForm {
  const { height_scale = 1, width_scale = 1, ...others } = attributes;
  return { ...form, attributes: { ...others, scales: [1, 1, Number(height_scale), Number(width_scale)] } };
}

const asymmetric = (mode: string): Record<string, AttributeValue> => ({
  mode: mode === "bilinear" ? "linear" : mode,
  coordinate_transformation_mode: "asymmetric",
  nearest_mode: "floor",
});

const oldElementTypes: Readonly<Record<string, number>> = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
};

function namedType(form: NodeForm): NodeForm {
  const to = oldElementTypes[String(form.attributes.to)];
  if (to === undefined)
    throw new StriateError({ subject: "Cast", found: `type ${form.attributes.to}`, expected: "a type's name" });
  return { ...form, attributes: { ...form.attributes, to } };
}

/** Before operator set 21, group normalisation had one scale and one bias for each group, not for each channel. */
function scalesOfChannels(form: NodeForm): NodeForm {
  const [x, ...weights] = form.inputs;
  const channels = x?.shape[1];
  const groups = Number(form.attributes.num_groups);
  if (typeof channels !== "number" || channels % groups !== 0 || weights.some((each) => each?.shape[0] !== groups))
    throw new StriateError({
      subject: "GroupNormalization",
      found: `${channels} channels, ${groups} groups, ${weights.map((each) => each?.shape[0]).join(" and ")} weights`,
      expected: "whole groups of channels, and a scale and a bias for each group",
    });
  const each = (value: Value): Value =>
    reshape(expand(unsqueeze(value, [1]), vector([groups, channels / groups])), [channels]);
  return { ...form, inputs: [x, ...weights.map((value) => value && each(value))] };
}

/**
 * A transposed convolution with its padding written out: what `output_shape` (or "same": the input's size times the
 * stride) leaves of the largest output is cut, or where that is too small added at the end.
 */
function explicitPadding(form: NodeForm): Partial<NodeForm> | undefined {
  const { auto_pad = "NOTSET", output_shape, ...attributes } = form.attributes;
  const kernel = form.inputs[1]?.shape.slice(2) as readonly number[];
  const spatial = form.inputs[0]?.shape.slice(2) ?? [];
  if ((auto_pad === "NOTSET" && !output_shape) || !form.inputs[1]) return undefined;
  const written = { pads: undefined, output_padding: undefined, ...attributes } as Partial<ConvTransposeAttributes>;
  const { output_padding } = written;
  const wanted = output_shape as readonly number[] | undefined;
  const { strides, dilations } = windowOf("ConvTranspose", spatial.length, kernel, {
    ...written,
    auto_pad: String(auto_pad),
    pads: undefined,
  });
  if (auto_pad === "VALID" && !wanted) return { attributes: without(attributes, "pads") };
  const cuts = kernel.map((length, axis) => {
    const [stride, size] = [strides[axis]!, spatial[axis]!];
    const reach = dilations[axis]! * (length - 1) + 1 + (output_padding?.[axis] ?? 0) - stride;
    if (!wanted) return reach;
    return stride * (size as number) + reach - wanted[axis]!;
  });
  if (cuts.some((cut) => !Number.isSafeInteger(cut)) || (wanted && wanted.length !== kernel.length))
    throw new StriateError({
      subject: "ConvTranspose",
      found: `output_shape [${wanted}] for an input of ${formatShape(spatial)}`,
      expected: "a number for each spatial axis, and known lengths of them",
    });
  const halves = cuts.map((cut) => Math.floor(Math.max(0, cut) / 2));
  const others = cuts.map((cut, axis) => Math.max(0, cut) - halves[axis]!);
  const pads = auto_pad === "SAME_UPPER" ? [...halves, ...others] : [...others, ...halves];
  const added = cuts.map((cut, axis) => (output_padding?.[axis] ?? 0) + Math.max(0, -cut));
  return { attributes: { ...attributes, pads, output_padding: added } };
}

const reductions = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"];

const upgrades: readonly Upgrade[] = [
  { before: 13, of: ["Squeeze", "Unsqueeze", "ReduceSum"], upgrade: asOperands(1, ["axes", whole]) },
  { before: 18, of: reductions.map((name) => `Reduce${name}`), upgrade: asOperands(1, ["axes", whole]) },
  { before: 13, of: ["Split"], upgrade: asOperands(1, ["split", whole]) },
  {
    before: 10,
    of: ["Slice"],
    upgrade: asOperands(1, ["starts", whole], ["ends", whole], ["axes", whole]),
  },
  { before: 2, of: ["Pad"], upgrade: asOperands(1, ["paddings", whole]) },
  { before: 11, of: ["Pad"], upgrade: asOperands(1, ["pads", whole], ["value", number]) },
  { before: 11, of: ["Clip"], upgrade: asOperands(1, ["min", number], ["max", number]) },
  { before: 12, of: ["Dropout"], upgrade: asOperands(1, ["ratio", number]) },
  { before: 7, of: ["Dropout", "BatchNormalization"], upgrade: dropping("is_test") },
  { before: 9, of: ["BatchNormalization"], upgrade: dropping("spatial") },
  { before: 10, of: ["TopK"], upgrade: asOperands(1, ["k", (value) => vector([value as number])]) },
  { before: 5, of: ["Reshape"], upgrade: asOperands(1, ["shape", whole]) },
  {
    before: 20,
    of: ["DFT"],
    upgrade: (form) =>
      asOperands(2, ["axis", (value) => constant(scalar(value as number, "int64"))])({
        ...form,
        attributes: { axis: 1, ...form.attributes },
      }),
  },
  { before: 7, of: ["Upsample"], upgrade: scalesOfTwoAxes },
  { before: 10, of: ["Upsample"], upgrade: upsample },
  {
    before: 11,
    of: ["Resize"],
    upgrade: (form) => ({
      ...form,
      inputs: [form.inputs[0], undefined, form.inputs[1]],
      attributes: asymmetric(String(form.attributes.mode ?? "nearest")),
    }),
  },
  {
    before: 4,
    of: ["Concat"],
    upgrade: (form) => ({ ...form, attributes: { axis: 1, ...form.attributes } }),
  },
  { before: 21, of: ["GroupNormalization"], upgrade: scalesOfChannels },
  { before: 6, of: ["Cast"], upgrade: namedType },
  { before: 7, of: ["Gemm"], upgrade: dropping("broadcast") },
  {
    before: 7,
    of: ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"],
    upgrade: alignOperand,
  },
  { before: 7, of: ["PRelu"], upgrade: slopesOfChannels },
  {
    before: 13,
    of: ["Softmax", "LogSoftmax", "Hardmax"],
    upgrade: (form) => ({ ...form, attributes: { axis: 1, ...form.attributes }, type: `${form.type}OverRest` }),
  },
];

const byOperator = new Map<string, Upgrade[]>();
for (const each of upgrades) for (const name of each.of) byOperator.set(name, [...(byOperator.get(name) ?? []), each]);

/** The same node as the newest operator set says it. */
export function upgraded(form: NodeForm): NodeForm {
  let current: NodeForm = form.version < 6 ? dropping("consumed_inputs")(form) : form;
  for (const { before, upgrade } of byOperator.get(form.type) ?? [])
    if (form.version < before) current = upgrade(current);
  const special = specialForms[current.type]?.(current);
  return special ? { ...current, ...special } : current;
}

/** Forms of operators that are said by other operators. */
const specialForms: Readonly<Record<string, (form: NodeForm) => Partial<NodeForm> | undefined>> = {
  // Before operator set 14, training was said by more outputs, the last two of them for the runtime's own use.
  BatchNormalization: ({ outputs, version }) =>
    version < 14 && outputs > 1 ? { type: "BatchNormalizationWithSaved" } : undefined,
  Cast: ({ attributes: { to, ...others } }) =>
    to === 10 || to === 16 ? { attributes: { ...others, to: 1 } } : undefined,
  ConvTranspose: (form) => {
    const explicit = explicitPadding(form);
    const { output_padding, strides } = { ...form, ...explicit }.attributes as Partial<ConvTransposeAttributes>;
    const isOne = output_padding?.length === (form.inputs[0]?.shape.length ?? 0) - 2;
    const isBeyond = isOne && output_padding?.some((extra, axis) => extra >= (strides?.[axis] ?? 1));
    return isBeyond ? { ...explicit, type: "ConvTransposeBeyondStride" } : explicit;
  },
  Dropout: ({ outputs }) => (outputs > 1 ? { type: "DropoutWithMask" } : undefined),
  MatMul: ({ inputs }) => (inputs.some((each) => each?.shape.length === 1) ? { type: "MatMulOfVector" } : undefined),
  MaxPool: (form) => {
    const { storage_order } = form.attributes;
    if (storage_order === undefined) return undefined;
    return storage_order === 0 ? dropping("storage_order")(form) : { type: "MaxPoolByColumns" };
  },
  Pow: ({ inputs: [base, exponent] }) => {
    if (!base || !exponent || base.dtype === exponent.dtype) return undefined;
    if (!isFloat(base.dtype) && isFloat(exponent.dtype)) return { type: "PowOfWhole" };
    return { inputs: [base, cast(exponent, base.dtype)] };
  },
  Scatter: () => ({ type: "ScatterElements" }),
};
