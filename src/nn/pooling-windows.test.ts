import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { elementAt, indicesOf } from "../../test/check/plain.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import * as pooling from "./pooling.ts";
import { type Layer, Scope } from "./scope.ts";

const { averagePool1d, averagePool2d, averagePool3d, lpPool, maxPool1d, maxPool2d, maxPool3d, stochasticPool } =
  pooling;

/** What a layer without parameters makes of a tensor. */
function run(layer: Layer, x: Tensor): Tensor {
  const value = inputValue("x", { dtype: "float32", shape: x.shape });
  const graph = makeGraph([value], { y: layer(value, new Scope()) });
  return evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
}

/** PyTorch's own results (torch 1.13) for maps of 0, 7, 3, 10 ...: the numbers 7 i mod 11, and 5 i mod 13 for a volume. */
const flat = tensor(
  Array.from({ length: 30 }, (_, index) => (index * 7) % 11),
  [1, 1, 5, 6],
);
const volume = tensor(
  Array.from({ length: 24 }, (_, index) => (index * 5) % 13),
  [1, 1, 2, 3, 4],
);
const recorded: readonly (readonly [string, Layer, Tensor, Shape, readonly number[]])[] = [
  [
    "avg_pool2d, ceil mode, padding counted",
    averagePool2d({ kernel: 3, stride: 2, padding: 1, ceil: true, countIncludePad: true }),
    flat,
    [3, 4],
    [2.33333, 3.77778, 3.33333, 0.33333, 3.33333, 5.11111, 4.44444, 2.66667, 2.11111, 3.44444, 3, 2],
  ],
  [
    "avg_pool2d, ceil mode, padding not counted",
    averagePool2d({ kernel: 3, stride: 2, padding: 1, ceil: true }),
    flat,
    [3, 4],
    [5.25, 5.66667, 5, 1, 5, 5.11111, 4.44444, 5.33333, 4.75, 5.16667, 4.5, 6],
  ],
  [
    "avg_pool2d, ceil mode, another kernel for each axis",
    averagePool2d({ kernel: [2, 3], stride: [3, 2], padding: [1, 0], ceil: true, countIncludePad: true }),
    flat,
    [2, 3],
    [1.66667, 3.16667, 2, 5.66667, 5, 4.5],
  ],
  [
    "max_pool2d, ceil mode",
    maxPool2d({ kernel: 3, stride: 2, padding: 1, ceil: true }),
    flat,
    [3, 4],
    [9, 10, 10, 2, 9, 10, 9, 9, 10, 10, 9, 7],
  ],
  [
    "max_pool2d, dilated",
    maxPool2d({ kernel: 2, stride: 1, padding: 1, dilation: [2, 3] }),
    flat,
    [5, 5],
    [1, 9, 5, 1, 8, 10, 10, 7, 10, 10, 8, 9, 5, 8, 8, 10, 7, 10, 10, 6, 8, 5, 1, 8, 4],
  ],
  ["avg_pool3d", averagePool3d({ kernel: 2, stride: [1, 1, 2] }), volume, [1, 2, 2], [5.125, 7, 5.625, 7.5]],
  ["max_pool3d", maxPool3d({ kernel: 2, stride: 1 }), volume, [1, 2, 3], [12, 12, 12, 12, 12, 12]],
  [
    "lp_pool2d, p 3",
    lpPool({ p: 3, kernel: 2 }),
    flat,
    [2, 3],
    [10.61772, 11.548, 6.60385, 7.91578, 12.14636, 10.25986],
  ],
  [
    "avg_pool1d",
    averagePool1d({ kernel: 4, stride: 7, padding: 2, countIncludePad: true }),
    flat.reshape([1, 1, 30]),
    [5],
    [1.75, 4.25, 6.5, 3.25, 5.5],
  ],
];

describe("pooling gives PyTorch's numbers", () => {
  test.each(recorded)("%s", (_, layer, x, shape, expected) => {
    const y = run(layer, x);
    expect(y.shape.slice(2)).toEqual(shape);
    expect(y.toArray()).toEqual(expected.map((each) => expect.closeTo(each, 4)));
  });
});

interface PlainPool {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly pads: readonly (readonly [number, number])[];
  readonly ceil: boolean;
}

/** Under each window the elements, and zeros for places in the padding; undefined where a window would have none. */
function plainWindows(x: Tensor, options: PlainPool) {
  const { kernel, stride, dilation, pads, ceil } = options;
  const lengths = x.shape.slice(2);
  const sizes = lengths.map((length, axis) => {
    const [before, after] = pads[axis]!;
    const room = length + before + after - dilation[axis]! * (kernel[axis]! - 1) - 1;
    if (room < 0) return 0;
    const whole = Math.floor(room / stride[axis]!) + 1;
    const startsInside = whole * stride[axis]! < length + before;
    return ceil && room % stride[axis]! > 0 && startsInside ? whole + 1 : whole;
  });
  const shape = [...x.shape.slice(0, 2), ...sizes];
  const windows = indicesOf(shape).map(([sample, channel, ...place]) => {
    const [elements, padding]: [number[], number[]] = [[], []];
    for (const tap of indicesOf(kernel)) {
      const at = tap.map((each, axis) => place[axis]! * stride[axis]! + each * dilation[axis]! - pads[axis]![0]);
      if (at.every((each, axis) => each >= 0 && each < lengths[axis]!))
        elements.push(elementAt(x, [sample!, channel!, ...at]));
      else if (at.every((each, axis) => each >= -pads[axis]![0] && each < lengths[axis]! + pads[axis]![1]))
        padding.push(0);
    }
    return { elements, padding };
  });
  return { shape, windows };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const norm = (p: number) => (values: readonly number[]) => sum(values.map((each) => Math.abs(each) ** p)) ** (1 / p);
const axesList = [
  [maxPool1d, averagePool1d],
  [maxPool2d, averagePool2d],
  [maxPool3d, averagePool3d],
] as const;

test("windows of any kind are those of plain loops, over one to three axes", () => {
  const axis = fc.record({
    length: fc.integer({ min: 1, max: 6 }),
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    before: fc.integer({ min: 0, max: 1 }),
    after: fc.integer({ min: 0, max: 1 }),
  });
  const configuration = fc.record({ axes: fc.array(axis, { minLength: 1, maxLength: 3 }), ceil: fc.boolean() });
  let compared = 0;
  fc.assert(
    fc.property(configuration, ({ axes, ceil }) => {
      const kernel = axes.map((each) => each.kernel);
      const stride = axes.map((each) => each.stride);
      const dilation = axes.map((each) => each.dilation);
      const padding = axes.map(({ before, after }) => [before, after] as const);
      const shape = [2, 2, ...axes.map(({ length }) => length)];
      const random = new Random(compared, "windows");
      const x = tensor(
        Array.from({ length: sizeOf(shape) }, () => random.normal()),
        shape,
      );
      const plain = plainWindows(x, { kernel, stride, dilation, pads: padding, ceil });
      fc.pre(sizeOf(plain.shape) > 0 && plain.windows.every(({ elements }) => elements.length > 0));
      const options = { kernel, stride, dilation, padding, ceil };
      const [maxPool, averagePool] = axesList[axes.length - 1]!;
      const expectWindows = (layer: Layer, of: (window: (typeof plain.windows)[number]) => number) =>
        expectClose(JSON.stringify(options), run(layer, x), tensor(plain.windows.map(of), plain.shape), {
          relative: 1e-6,
        });
      expectWindows(maxPool(options), ({ elements }) => Math.max(...elements));
      expectWindows(averagePool(options), ({ elements }) => sum(elements) / elements.length);
      expectWindows(
        averagePool({ ...options, countIncludePad: true }),
        ({ elements, padding: zeros }) => sum(elements) / (elements.length + zeros.length),
      );
      expectWindows(lpPool({ ...options, p: 3 }), ({ elements }) => norm(3)(elements));
      expectWindows(stochasticPool(options), ({ elements }) => {
        const active = elements.map((each) => Math.max(0, each));
        return sum(active.map((each) => each * each)) / (sum(active) || 1);
      });
      compared++;
    }),
    { numRuns: 150, seed: 1 },
  );
  expect(compared).toBe(150);
});
