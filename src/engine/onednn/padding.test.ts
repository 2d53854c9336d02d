import { describe, expect, test } from "vitest";
import { buildCase } from "../../../test/check/build.ts";
import { moving, type OpCase } from "../../../test/check/case.ts";
import { expectClose } from "../../../test/check/compare.ts";
import { nodesOf } from "../../graph/graph.ts";
import { Conv, conv } from "../../ops/conv.ts";
import { pad } from "../../ops/core/arrange.ts";
import { evaluateGraph } from "../reference.ts";
import { padWithin } from "./padding.ts";

type Around = readonly (readonly [number, number])[];

/** A convolution, of stride 2 and with padding of its own, of maps that were padded. */
const padded = (around: Around, auto_pad = "NOTSET"): OpCase => ({
  name: JSON.stringify(around),
  op: Conv as unknown as OpCase["op"],
  inputs: [moving([2, 3, 5, 6]), moving([4, 3, 3, 3])],
  results: ([x, w]) => [
    conv(pad(x!, around), w!, undefined, {
      strides: [2, 2],
      auto_pad,
      ...(auto_pad === "NOTSET" && { pads: [1, 0, 0, 2] }),
    }),
  ],
});

describe("padding becomes part of the convolution after it, and of its gradients", () => {
  const none = [0, 0] as const;
  test.each<[string, OpCase, string[]]>([
    ["zeros around maps", padded([none, none, [1, 2], [0, 3]]), ["Conv", "ConvInputGradient", "ConvWeightGradient"]],
    [
      "not what is cut off",
      padded([none, none, [1, 2], [0, -1]]),
      ["Pad", "Conv", "ConvInputGradient", "Pad", "ConvWeightGradient"],
    ],
    [
      "nor among the channels",
      { ...padded([none, [1, 1], none, [0, 3]]), inputs: [moving([2, 1, 5, 6]), moving([4, 3, 3, 3])] },
      ["Pad", "Conv", "ConvInputGradient", "Pad", "ConvWeightGradient"],
    ],
  ])("%s", (_, opCase, expected) => {
    const { graph, feeds, name } = buildCase(opCase, "fixed");
    const within = padWithin(graph);
    expect(
      nodesOf(within)
        .map(({ op }) => op.name)
        .sort(),
    ).toEqual(expected.sort());
    const found = evaluateGraph(within, feeds).outputs;
    for (const [output, tensor] of evaluateGraph(graph, feeds).outputs)
      expectClose(`${name}: ${output}`, found.get(output), tensor, { relative: 1e-12 });
  });
});
