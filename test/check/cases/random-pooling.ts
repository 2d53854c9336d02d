/** Pooling that is composed of other operators, drawn at random: for properties that hold for all of it. */
import fc from "fast-check";
import type { Attributes } from "../../../src/graph/op.ts";
import type { Value } from "../../../src/graph/value.ts";
import { reduceMax } from "../../../src/ops/core/reduce.ts";
import * as depthSpace from "../../../src/ops/depth-space.ts";
import * as patches from "../../../src/ops/patches.ts";
import { AveragePool, MaxPool } from "../../../src/ops/pool.ts";
import * as pooling from "../../../src/ops/pooling.ts";
import { blurPool, overChannels, spectralPool } from "../../../src/ops/pooling.ts";
import { StochasticPool } from "../../../src/ops/stochastic-pool.ts";
import { moving, type OpCase, type OperandSpec, row } from "../case.ts";
import { awayFromZero, distinct } from "../draw.ts";
import { randomPool } from "./random.ts";
import { named, someAbove } from "./random-elementwise.ts";

/** A composition; the operator it is nearest to stands for it. */
const composed = (name: string, input: OperandSpec, of: (x: Value) => Value): OpCase =>
  row(AveragePool, name, [input], { results: ([x]) => [of(x!)] });

const length = fc.integer({ min: 1, max: 5 });

export const randomWindowPooling: fc.Arbitrary<OpCase> = fc
  .record({
    window: randomPool,
    p: fc.constantFrom(1, 1.5, 2, 3),
    kind: fc.constantFrom("norm", "stochastic"),
    seed: fc.nat(1e6),
  })
  .map(({ window: { x, attributes }, p, kind, seed }) => {
    const name = named(x, attributes, p, seed);
    const window = attributes as Parameters<typeof pooling.lpPool>[2];
    // Windows over zeros alone have a norm of 0, which has no derivative: nothing is drawn near 0.
    if (kind === "norm")
      return composed(`norm ${name}`, moving(x, awayFromZero()), (value) => pooling.lpPool(value, p, window));
    const { auto_pad: _, ...explicit } = attributes as Attributes;
    return row(StochasticPool, name, [moving(x, someAbove())], { attributes: explicit });
  });

export const randomMapPooling: fc.Arbitrary<OpCase> = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.integer({ min: 1, max: 2 }),
    from: fc.array(length, { minLength: 1, maxLength: 3 }),
    to: fc.array(length, { minLength: 3, maxLength: 3 }),
    groups: fc.integer({ min: 1, max: 3 }),
    taps: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom("means", "largest", "channels", "blur", "spectrum", "unpooled", "patches", "shuffle", "norm"),
    seed: fc.nat(1e6),
  })
  .map(({ batch, channels, from, to, groups, taps, kind, seed }) => {
    const size = to.slice(0, from.length);
    const name = `${kind} ${named(batch, channels, from, size, groups, taps, seed)}`;
    const maps = [batch, channels, ...from];
    switch (kind) {
      case "means":
        return composed(name, moving(maps), (x) => pooling.adaptiveAveragePool(x, size));
      case "largest":
        return composed(name, moving(maps, distinct), (x) => pooling.adaptiveMaxPool(x, size));
      case "channels":
        return composed(name, moving(maps.with(1, channels * groups), distinct), (x) =>
          overChannels(x, groups, reduceMax),
        );
      case "blur": {
        const stride = size.map((each) => Math.min(each, 3));
        return composed(name, moving([batch, channels, ...from.map((each) => each + 3)]), (x) =>
          blurPool(x, taps, stride),
        );
      }
      case "spectrum":
        return composed(name, moving(maps), (x) => spectralPool(x, size));
      case "unpooled": {
        const kernel = size.map((each) => Math.min(each, 3));
        const long = [batch, channels, ...from.map((each, axis) => Math.min(each, 3) * kernel[axis]!)];
        return row(MaxPool, name, [moving(long, distinct)], {
          results: ([x]) => [pooling.maxUnpoolOfMaxPool(x!, { kernel_shape: kernel, strides: kernel })],
        });
      }
      case "patches": {
        const kernel = from.map((each) => Math.min(each, 2));
        return composed(name, moving(maps), (x) => patches.unfold(x, { kernel }));
      }
      case "shuffle": {
        const factor = Math.min(groups, 2);
        return composed(name, moving(maps.with(1, channels * factor ** from.length)), (x) =>
          depthSpace.pixelShuffle(x, factor),
        );
      }
      default:
        return composed(name, moving(maps, awayFromZero()), (x) => pooling.globalLpPool(x, taps));
    }
  });
