/** What is measured: each operator with its shape, as our graph and as the job that PyTorch is given. */

import { apply } from "../../src/graph/op.ts";
import type { Value } from "../../src/graph/value.ts";
import {
  BatchNormalization,
  BatchNormalizationGradient,
  BatchNormalizationTraining,
} from "../../src/ops/batch-normalisation.ts";
import { ConvWeightGradient, conv, convInputGradient } from "../../src/ops/conv.ts";
import { expandLike } from "../../src/ops/core/broadcast.ts";
import { div } from "../../src/ops/core/elementwise.ts";
import { vector } from "../../src/ops/core/shape.ts";
import { globalAveragePool, MaxPoolGradient, maxPool } from "../../src/ops/pool.ts";
import { averagePoolShapes, type ConvShape, convShapes, type MapShape, mapShapes, maxPoolShapes } from "./shapes.ts";

export const batch = 16;

export interface Job {
  readonly name: string;
  readonly network: string;
  /** The operands' shapes, by name. */
  readonly operands: Readonly<Record<string, readonly number[]>>;
  build(operands: Readonly<Record<string, Value>>): Value;
  /** What PyTorch is to do. */
  readonly torch: object;
}

export interface Family {
  readonly title: string;
  /** The geometric mean of the speeds that is promised. */
  readonly target?: number;
  /** What no speed may be below; of depthwise convolutions another, where there is one. */
  readonly least?: number;
  readonly leastDepthwise?: number;
  readonly jobs: readonly Job[];
}

export const isDepthwise = ({ name }: Job): boolean => name.includes("depthwise");

const convolution =
  (kind: "forward" | "input gradient" | "weight gradient") =>
  (shape: ConvShape): Job => {
    const { network, channels, filters, kernel, stride, size, group } = shape;
    const padding = (kernel - 1) / 2;
    const x = [batch, channels, size, size];
    const w = [filters, channels / group, kernel, kernel];
    const g = [batch, filters, Math.ceil(size / stride), Math.ceil(size / stride)];
    const attributes = {
      group,
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    };
    const forms = {
      forward: { operands: { x, w }, build: (of: Record<string, Value>) => conv(of.x!, of.w!, undefined, attributes) },
      "input gradient": {
        operands: { g, w },
        build: (of: Record<string, Value>) => convInputGradient(of.g!, of.w!, vector(x), attributes),
      },
      "weight gradient": {
        operands: { x, g },
        build: (of: Record<string, Value>) => apply(ConvWeightGradient, [of.x, of.g], attributes)[0]!,
      },
    };
    const sizes = `${kernel}x${kernel}${stride > 1 ? `/${stride}` : ""} of ${size}x${size}`;
    return {
      name: group > 1 ? `depthwise ${channels}, ${sizes}` : `${channels} to ${filters}, ${sizes}`,
      network,
      ...forms[kind],
      torch: { family: "convolution", kind, x, w, stride, padding, group },
    };
  };

interface MapForm {
  readonly family: string;
  readonly kind: string;
  readonly build: Job["build"];
  /** Operands beside the maps. */
  readonly beside?: (x: readonly number[]) => Job["operands"];
}

const maps =
  ({ family, kind, build, beside = () => ({}) }: MapForm) =>
  ({ network, channels, size }: MapShape): Job => {
    const x = [batch, channels, size, size];
    return {
      name: `${channels} maps of ${size}x${size}`,
      network,
      operands: { x, ...beside(x) },
      build,
      torch: { family, kind, x },
    };
  };

const window = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
const channelsOf = ([, channels]: readonly number[]) => [channels!];
const halved = (x: readonly number[]) => ({ g: [...x.slice(0, 2), ...x.slice(2).map((length) => length / 2)] });

export const families: readonly Family[] = [
  { title: "convolution", target: 0.75, least: 0.3, jobs: convShapes.map(convolution("forward")) },
  {
    title: "convolution, input gradient",
    target: 0.65,
    least: 0.3,
    jobs: convShapes.map(convolution("input gradient")),
  },
  {
    title: "convolution, weight gradient",
    target: 0.5,
    least: 0.3,
    leastDepthwise: 0.2,
    jobs: convShapes.map(convolution("weight gradient")),
  },
  {
    title: "max pooling, 3x3/2",
    jobs: maxPoolShapes.map(maps({ family: "max pooling", kind: "forward", build: ({ x }) => maxPool(x!, window) })),
  },
  {
    title: "max pooling, 3x3/2, gradient",
    jobs: maxPoolShapes.map(
      maps({
        family: "max pooling",
        kind: "gradient",
        beside: halved,
        build: ({ x, g }) => apply(MaxPoolGradient, [x, g], window)[0]!,
      }),
    ),
  },
  {
    title: "global average pooling",
    jobs: averagePoolShapes.map(
      maps({ family: "average pooling", kind: "forward", build: ({ x }) => globalAveragePool(x!) }),
    ),
  },
  {
    title: "global average pooling, gradient",
    jobs: averagePoolShapes.map(
      maps({
        family: "average pooling",
        kind: "gradient",
        beside: ([count, channels]) => ({ g: [count!, channels!, 1, 1] }),
        build: ({ x, g }) => expandLike(div(g!, 49), x!),
      }),
    ),
  },
  {
    title: "batch normalisation, by given statistics",
    jobs: mapShapes.map(
      maps({
        family: "batch normalisation",
        kind: "inference",
        beside: (x) => ({ scale: channelsOf(x), bias: channelsOf(x), mean: channelsOf(x), variance: channelsOf(x) }),
        build: ({ x, scale, bias, mean, variance }) => apply(BatchNormalization, [x, scale, bias, mean, variance])[0]!,
      }),
    ),
  },
  {
    title: "batch normalisation, in training",
    jobs: mapShapes.map(
      maps({
        family: "batch normalisation",
        kind: "training",
        beside: (x) => ({ scale: channelsOf(x), bias: channelsOf(x) }),
        build: ({ x, scale, bias }) => apply(BatchNormalizationTraining, [x, scale, bias])[0]!,
      }),
    ),
  },
  {
    title: "batch normalisation, gradients",
    jobs: mapShapes.map(
      maps({
        family: "batch normalisation",
        kind: "gradient",
        beside: (x) => ({ g: x, scale: channelsOf(x), mean: channelsOf(x), variance: channelsOf(x) }),
        build: ({ x, scale, mean, variance, g }) =>
          apply(BatchNormalizationGradient, [x, scale, mean, variance, g])[0]!,
      }),
    ),
  },
];
