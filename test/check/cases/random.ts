/** Sliding windows of every kind, drawn at random: for properties that hold for all of them. */
import fc from "fast-check";
import type { Attributes } from "../../../src/graph/op.ts";
import type { Dimension } from "../../../src/graph/value.ts";
import { Conv, ConvTranspose } from "../../../src/ops/conv.ts";
import { AveragePool, MaxPool } from "../../../src/ops/pool.ts";
import { moving, type OpCase, row } from "../case.ts";
import { distinct } from "../draw.ts";

interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  /** How much longer the input is than the shortest that fits. */
  readonly more: number;
}

const axisOf = ({ mostPadding }: { mostPadding: (kernel: number) => number }): fc.Arbitrary<Axis> =>
  fc.integer({ min: 1, max: 3 }).chain((kernel) =>
    fc.record({
      kernel: fc.constant(kernel),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      before: fc.integer({ min: 0, max: mostPadding(kernel) }),
      after: fc.integer({ min: 0, max: mostPadding(kernel) }),
      more: fc.integer({ min: 0, max: 3 }),
    }),
  );

const axes = (padding: { mostPadding: (kernel: number) => number }): fc.Arbitrary<readonly Axis[]> =>
  fc.integer({ min: 1, max: 3 }).chain((rank) => fc.array(axisOf(padding), { minLength: rank, maxLength: rank }));

const autoPad = fc.constantFrom("NOTSET", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER");

const extent = ({ kernel, dilation }: Axis): number => dilation * (kernel - 1) + 1;

/** Window attributes: padding by numbers or by name, never by both. */
const attributesOf = (each: readonly Axis[], auto_pad: string): Attributes => ({
  kernel_shape: each.map(({ kernel }) => kernel),
  strides: each.map(({ stride }) => stride),
  dilations: each.map(({ dilation }) => dilation),
  ...(auto_pad === "NOTSET"
    ? { pads: [...each.map(({ before }) => before), ...each.map(({ after }) => after)] }
    : { auto_pad }),
});

const describeCase = (x: readonly Dimension[], attributes: Attributes): string =>
  `${x.join("x")} ${JSON.stringify(attributes)}`;

export const randomConv: fc.Arbitrary<OpCase> = fc
  .record({
    each: axes({ mostPadding: () => 2 }),
    auto_pad: autoPad,
    group: fc.integer({ min: 1, max: 3 }),
    groupChannels: fc.integer({ min: 1, max: 2 }),
    groupFilters: fc.integer({ min: 1, max: 2 }),
    bias: fc.boolean(),
    batch: fc.constantFrom<Dimension>(1, "batch"),
  })
  .map(({ each, auto_pad, group, groupChannels, groupFilters, bias, batch }) => {
    const padded = auto_pad === "NOTSET";
    // At least as long as a step, so that some element of the kernel falls on the input.
    const lengths = each.map((axis) =>
      Math.max(axis.dilation, axis.stride, extent(axis) + axis.more - (padded ? axis.before + axis.after : 0)),
    );
    const x = [batch, group * groupChannels, ...lengths];
    const w = [group * groupFilters, groupChannels, ...each.map(({ kernel }) => kernel)];
    const attributes = { ...attributesOf(each, auto_pad), group };
    const operands = [moving(x), moving(w), ...(bias ? [moving([w[0]!])] : [])];
    return row(Conv, describeCase(x, attributes), operands, { attributes });
  });

export const randomConvTranspose: fc.Arbitrary<OpCase> = fc
  .record({
    each: axes({ mostPadding: (kernel) => kernel - 1 }),
    more: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 3, maxLength: 3 }),
    group: fc.integer({ min: 1, max: 2 }),
    bias: fc.boolean(),
  })
  .map(({ each, more, group, bias }) => {
    // At least as long as the kernel, so that padding leaves something.
    const x = ["batch", 2 * group, ...each.map((axis) => axis.more + Math.max(2, axis.kernel))];
    const w = [2 * group, 2, ...each.map(({ kernel }) => kernel)];
    const output_padding = each.map(({ stride }, axis) => Math.min(more[axis]!, stride - 1));
    const attributes = { ...attributesOf(each, "NOTSET"), group, output_padding };
    const operands = [moving(x), moving(w), ...(bias ? [moving([2 * group])] : [])];
    return row(ConvTranspose, describeCase(x, attributes), operands, { attributes });
  });

/** Windows that have at least one element inside the input each. */
export const randomPool = fc
  .record({
    each: axes({ mostPadding: (kernel) => kernel - 1 }),
    auto_pad: autoPad,
    ceil_mode: fc.integer({ min: 0, max: 1 }),
    count_include_pad: fc.integer({ min: 0, max: 1 }),
    channels: fc.integer({ min: 1, max: 2 }),
  })
  .map(({ each, auto_pad, ceil_mode, count_include_pad, channels }) => ({
    x: ["batch", channels, ...each.map((axis) => extent(axis) + axis.more)] as readonly Dimension[],
    attributes: { ...attributesOf(each, auto_pad), ceil_mode },
    count_include_pad,
  }));

export const randomMaxPool: fc.Arbitrary<OpCase> = randomPool.map(({ x, attributes }) =>
  row(MaxPool, describeCase(x, attributes), [moving(x, distinct)], { attributes }),
);

export const randomAveragePool: fc.Arbitrary<OpCase> = randomPool.map(({ x, attributes, count_include_pad }) => {
  const counted = { ...attributes, count_include_pad };
  return row(AveragePool, describeCase(x, counted), [moving(x)], { attributes: counted });
});
