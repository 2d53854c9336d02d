import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { makeGraph, printGraph } from "../graph/graph.ts";
import { inputValue, parameterValue } from "../graph/value.ts";
import { conv } from "../ops/conv.ts";
import { relu } from "../ops/core/elementwise.ts";
import { Random } from "../tensor/random.ts";
import { full } from "../tensor/tensor.ts";
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";
import { type ModelProto, ModelProtoSchema, NodeProtoSchema, TensorProtoSchema } from "./generated/onnx_pb.ts";

const x = inputValue("x", { dtype: "float32", shape: ["batch", 1, "height", 8] });
const w = parameterValue("w", { dtype: "float32", shape: [2, 1, 3, 3] });
const graph = makeGraph([x], { y: relu(conv(x, w, undefined, { pads: [1, 1, 1, 1] })) });
const bytes = encode(graph, { variables: new Map([["w", full([2, 1, 3, 3], 0.5)]]), metadata: { author: "us" } });

/** The file with something changed. */
function changed(change: (model: ModelProto) => void): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  change(model);
  return toBinary(ModelProtoSchema, model);
}
const node = (model: ModelProto) => model.graph!.node[0]!;
const weights = (model: ModelProto) => model.graph!.initializer[0]!;

describe("encode and decode", () => {
  test("a graph comes back as it was, with its named dimensions, weights and metadata", () => {
    const again = decode(bytes);
    expect(printGraph(again.graph)).toBe(printGraph(graph));
    expect(again.graph.inputs[0]!.shape).toEqual(["batch", 1, "height", 8]);
    expect(again.variables.get("w")!.toArray()).toEqual(new Array(18).fill(0.5));
    expect(again.metadata).toEqual({ author: "us" });
  });

  test.each([
    [
      "text",
      new TextEncoder().encode("this is not a model, but a letter to the editor"),
      "bytes that are not in ONNX's format",
    ],
    ["nothing", new Uint8Array(), "no graph and no operator set"],
    ["half a file", bytes.subarray(0, bytes.length / 2), "bytes that are not in ONNX's format"],
    [
      "an operator set that there never was",
      changed((model) => {
        model.opsetImport[0]!.version = 0n;
      }),
      "operator set 0",
    ],
    [
      "an operator of the future",
      changed((model) => {
        node(model).opType = "Dream";
      }),
      "does not have: Dream (Conv)",
    ],
    [
      "a missing input",
      changed((model) => {
        node(model).input[0] = "z";
      }),
      'input "z", which nothing before it makes',
    ],
    [
      "a missing output",
      changed((model) => {
        model.graph!.output[0]!.name = "z";
      }),
      'output "z", which no node makes',
    ],
    ["a name twice", changed((model) => model.graph!.node.push(node(model))), 'two values named "Conv"'],
    [
      "short data",
      changed((model) => {
        weights(model).rawData = new Uint8Array(8);
      }),
      "8 bytes of data",
    ],
    [
      "a shape that lies",
      changed((model) => {
        weights(model).dims = [1n << 40n];
      }),
      "shape [1099511627776]",
    ],
    [
      "data elsewhere",
      changed((model) => {
        weights(model).dataLocation = 1;
      }),
      "data in another file",
    ],
    [
      "a strange type",
      changed((model) => {
        weights(model).dataType = 99;
      }),
      "element type 99",
    ],
    [
      "a huge pad",
      changed((model) => {
        node(model).attribute[1]!.ints = [1n << 31n, 0n, 0n, 0n];
      }),
      "pads 2147483648",
    ],
    [
      "an attribute of another type",
      changed((model) => {
        node(model).attribute[0]!.type = 1;
      }),
      "of type 1",
    ],
    [
      "an unknown attribute",
      changed((model) => {
        node(model).attribute[0]!.name = "flavour";
      }),
      'attribute "flavour"',
    ],
  ])("%s is refused", (_, file, message) => {
    const attempt = () => decode(file as Uint8Array, "bad.onnx");
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^bad\.onnx/);
  });

  test("every missing operator is listed with its nodes", () => {
    const file = changed((model) => {
      for (const name of ["a", "b"])
        model.graph!.node.push(create(NodeProtoSchema, { opType: "Dream", name, input: ["y"], output: [name] }));
      model.graph!.node.push(create(NodeProtoSchema, { opType: "Sleep", name: "c", input: ["y"], output: ["c"] }));
    });
    expect(() => decode(file, "m")).toThrow("m: operators that Striate does not have: Dream (a, b); Sleep (c).");
  });

  test("numbers are read from every field that files keep them in", () => {
    const file = changed((model) => {
      model.graph!.initializer[0] = create(TensorProtoSchema, {
        name: "w",
        dataType: 1,
        dims: [2n, 1n, 3n, 3n],
        floatData: Array.from({ length: 18 }, (_, index) => index),
      });
    });
    expect(decode(file).variables.get("w")!.toArray()).toEqual(Array.from({ length: 18 }, (_, index) => index));
  });

  test("2,000 files with bytes changed at random are read or refused with a StriateError", () => {
    const random = new Random(1, "mutations");
    let refused = 0;
    for (let file = 0; file < 2000; file++) {
      const mutated = new Uint8Array(bytes);
      for (let change = random.integer(1, 4); change > 0; change--)
        mutated[random.integer(0, mutated.length - 1)] = random.integer(0, 255);
      try {
        decode(mutated, "mutated.onnx");
      } catch (error) {
        expect(error).toBeInstanceOf(StriateError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
  });
});
