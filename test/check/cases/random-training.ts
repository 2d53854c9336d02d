/** Losses, and what operators become in training, drawn at random: for properties that hold for all of them. */
import fc from "fast-check";
import { apply, type Op } from "../../../src/graph/op.ts";
import { constant, producerOf, type Value } from "../../../src/graph/value.ts";
import * as losses from "../../../src/nn/losses.ts";
import { Dropout, SliceDropout } from "../../../src/ops/dropout.ts";
import { Softmax } from "../../../src/ops/softmax.ts";
import { scalar } from "../../../src/tensor/tensor.ts";
import { moving, type OpCase, type OperandSpec, row, still } from "../case.ts";
import { type Draw, integer, offGrid, uniform } from "../draw.ts";
import { named, shapes } from "./random-elementwise.ts";

/** The first output of a node in its training form, whose random numbers are those of the input x1. */
function inTraining(y: Value): readonly Value[] {
  const node = producerOf(y)!;
  return node.op.training!(node, node.attributes, () => "x1").outputs;
}

export const randomDropout: fc.Arbitrary<OpCase> = fc
  .record({
    shape: shapes,
    ratio: fc.constantFrom(0.1, 0.25, 0.5),
    axes: fc.nat(2),
    whole: fc.boolean(),
    seed: fc.nat(1e6),
  })
  .map(({ shape, ratio, axes: more, whole, seed }) => {
    const axes = 1 + (more % shape.length);
    // The first is kept: of nothing but zeros there is no gradient.
    const draw: Draw = (random, size) => uniform(0, 1)(random, size).map((each, index) => (index === 0 ? 0.9 : each));
    const slices = whole ? shape : shape.map((length, axis) => (axis < axes ? length : 1));
    return row(
      whole ? Dropout : SliceDropout,
      named(shape, ratio, axes, seed),
      [moving(shape), { ...still(slices, draw), random: true }],
      {
        results: ([x]) =>
          whole
            ? inTraining(apply(Dropout, [x, constant(scalar(ratio))])[0]!)
            : inTraining(apply(SliceDropout, [x], { ratio, axes })[0]!),
      },
    );
  });

/** Losses stand on operators of many families; Softmax stands for them. */
const lossRow = (name: string, inputs: readonly OperandSpec[], of: (values: readonly Value[]) => Value): OpCase =>
  row(Softmax as Op<never>, name, inputs, { results: (values) => [of(values)] });

const reduction = fc.constantFrom<losses.Reduction>("mean", "sum", "none");

export const randomClassLoss: fc.Arbitrary<OpCase> = fc
  .record({
    batch: fc.integer({ min: 1, max: 4 }),
    classes: fc.integer({ min: 2, max: 4 }),
    places: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    labelSmoothing: fc.constantFrom(0, 0.1, 0.5),
    weighted: fc.boolean(),
    ignored: fc.boolean(),
    reduction,
    kind: fc.constantFrom("cross-entropy", "cross-entropy", "dice"),
    seed: fc.nat(1e6),
  })
  .map(({ batch, classes, places, weighted, ignored, kind, seed, ...options }) => {
    const name = named(batch, classes, places, weighted, ignored, options, seed);
    const labels: OperandSpec = {
      shape: [batch, ...places],
      dtype: "int64",
      // The first label counts; others may be the one that does not.
      draw: (random, size) => {
        const any = integer(0, classes - 1)(random, size);
        return any.map((label, index) => (ignored && index > 0 && random.uniform() < 0.3 ? 255 : label));
      },
    };
    const weights = weighted ? { classWeights: Array.from({ length: classes }, (_, each) => 0.5 + each) } : {};
    const loss =
      kind === "dice"
        ? losses.dice({ smooth: 0.5, reduction: options.reduction })
        : losses.crossEntropyWith({ ...options, ...weights, ...(ignored ? { ignoreIndex: 255 } : {}) });
    return lossRow(`${kind} ${name}`, [moving([batch, classes, ...places]), labels], ([x, t]) => loss.of(x!, t!));
  });

/** Differences of predictions and targets are never near 0, nor near a whole multiple of a half. */
const [predicted, target] = [offGrid(0.5, 0), offGrid(0.5, 0.2)];

export const randomDistance: fc.Arbitrary<OpCase> = fc
  .record({
    shape: shapes,
    kind: fc.constantFrom("squared", "absolute", "smooth", "binary", "divergence", "cosine"),
    beta: fc.constantFrom(0.5, 1, 2),
    reduction,
    seed: fc.nat(1e6),
  })
  .map(({ shape, kind, beta, reduction, seed }) => {
    const name = `${kind} ${named(shape, beta, reduction, seed)}`;
    const both = [moving(shape, predicted), moving(shape, target)];
    const of = ({ of }: losses.Loss, inputs: readonly OperandSpec[] = both) =>
      lossRow(name, inputs, ([x, t]) => of(x!, t!));
    switch (kind) {
      case "squared":
        return of(losses.squaredError({ reduction }));
      case "absolute":
        return of(losses.absoluteError({ reduction }));
      case "smooth":
        return of(losses.smoothL1({ beta, reduction }));
      case "binary":
        return of(losses.binaryCrossEntropy({ reduction }), [moving(shape), moving(shape, uniform(0.1, 0.9))]);
      case "divergence":
        return of(losses.klDivergenceWith({ reduction }), [moving(shape), moving(shape, uniform(0.1, 0.9))]);
      default: {
        const vectors = moving([2, 3, ...shape.slice(1)], uniform(0.3, 2));
        return of(losses.cosineDistanceWith({ reduction }), [vectors, vectors]);
      }
    }
  });
