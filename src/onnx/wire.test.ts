import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { makeGraph, printGraph } from "../graph/graph.ts";
import { inputValue, parameterValue } from "../graph/value.ts";
import { conv } from "../ops/conv.ts";
import { full } from "../tensor/tensor.ts";
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";
import { type ModelProto, ModelProtoSchema } from "./generated/onnx_pb.ts";

const x = inputValue("x", { dtype: "float32", shape: [1, 1, 4, 4] });
const w = parameterValue("w", { dtype: "float32", shape: [1, 1, 3, 3] });
const graph = makeGraph([x], { y: conv(x, w, undefined, { strides: [1, 1] }) });
const good = encode(graph, { variables: new Map([["w", full([1, 1, 3, 3], 1)]]), metadata: { by: "us" } });

/** A number in groups of seven bits. */
function varint(number: bigint, length = 1): number[] {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, number); rest > 0n || bytes.length < length; rest >>= 7n)
    bytes.push(Number(rest & 0x7fn) | 0x80);
  return bytes.map((byte, index) => (index === bytes.length - 1 ? byte & 0x7f : byte));
}
const tag = (field: number, wireType: number) => varint(BigInt((field << 3) | wireType));
const sized = (field: number, bytes: readonly number[]) => [
  ...tag(field, 2),
  ...varint(BigInt(bytes.length)),
  ...bytes,
];
const text = (field: number, letters: string) => sized(field, [...new TextEncoder().encode(letters)]);

/** The model with bytes after it: protocol buffers are merged by being written one after the other. */
const followed = (...bytes: number[]) => Uint8Array.from([...good, ...bytes]);
/** A model of a graph of these bytes. */
const graphOf = (...bytes: number[]) =>
  Uint8Array.from([...tag(1, 0), 8, ...sized(8, [...tag(2, 0), 17]), ...sized(7, bytes)]);
const changed = (change: (model: ModelProto) => void): Uint8Array => {
  const model = fromBinary(ModelProtoSchema, good);
  change(model);
  return toBinary(ModelProtoSchema, model);
};

/** A branch in a branch in a branch. */
function nested(depth: number): number[] {
  let bytes: number[] = [];
  for (let level = 0; level < depth; level++) bytes = sized(1, sized(5, sized(6, bytes)));
  return bytes;
}

const [ten, field] = [new Array<number>(10).fill(0xff), tag(100, 0)];

describe("the wire format", () => {
  const faults: [string, Uint8Array, string][] = [
    ["a field of number 0", followed(0, 0), "field 0"],
    ["a group", followed(...tag(100, 3), ...tag(100, 4)), "wire type 3"],
    ["a wire type that there is not", followed(...tag(100, 7)), "wire type 7"],
    ["a number that does not end", followed(...field, 0xff), "the end within a number"],
    ["a number of 11 bytes", followed(...field, ...ten, 1), "a number beyond 64 bits"],
    ["a number of 65 bits", followed(...field, ...ten.slice(1), 2), "a number beyond 64 bits"],
    ["a tag of 33 bits", followed(...varint(1n << 33n, 5), 0), "field"],
    ["a length beyond the end", followed(...tag(3, 2), 9, 65), "producer_version: 9 bytes where 1 are left"],
    ["a length of 2^64 - 1", followed(...tag(100, 2), ...varint(-1n)), "Infinity bytes where 0 are left"],
    ["four bytes of which one is there", followed(...tag(100, 5), 1), "the end within a number"],
    ["a part that ends beyond its whole", graphOf(...tag(1, 2), 9, 65), "graph.node[0]: 9 bytes where 1 are left"],
    ["one number twice", followed(...tag(1, 0), 8), "ir_version: the same field twice"],
    ["two graphs", followed(...sized(7, [])), "graph: the same field twice"],
    ["a name twice", graphOf(...text(2, "a"), ...text(2, "b")), "graph.name: the same field twice"],
    [
      "a length that is a number and a name",
      graphOf(...sized(11, sized(2, sized(1, sized(2, sized(1, [...tag(1, 0), 2, ...text(2, "n")])))))),
      "graph.input[0].type.tensor_type.shape.dim[0].dim_param: the same field twice",
    ],
    ["a number where a text should be", graphOf(...tag(2, 0), 1), "graph.name: wire type 0 instead of 2"],
    ["a text where a number should be", followed(...text(5, "5")), "model_version: wire type 2 instead of 0"],
    [
      "eight bytes where four should be",
      graphOf(...sized(1, sized(5, [...tag(2, 1), ...ten.slice(2)]))),
      "f: wire type 1",
    ],
    [
      "half a float in a list",
      graphOf(...sized(5, sized(4, [1, 2, 3]))),
      "graph.initializer[0].float_data[0]: 3 bytes of",
    ],
    ["half a double in a list", graphOf(...sized(5, sized(10, [1, 2, 3, 4]))), "4 bytes of numbers of 8"],
    ["a number cut off in a list", graphOf(...sized(5, sized(1, [0x80]))), "dims[0]: the end within a number"],
    [
      "an element type beyond 32 bits",
      graphOf(...sized(5, [...tag(2, 0), ...varint(1n << 40n)])),
      "data_type: a number beyond",
    ],
    ["a name that is not UTF-8", graphOf(...sized(2, [0xff])), "graph.name: a text that is not UTF-8"],
    ["a surrogate in UTF-8", graphOf(...sized(2, [0xed, 0xa0, 0x80])), "graph.name: a text that is not UTF-8"],
    ["the name __proto__", graphOf(...text(2, "__proto__")), "graph.name: the name __proto__"],
    ["branches without end", graphOf(...nested(50)), "messages 100 deep"],
  ];
  test.each(faults)("with %s is refused", (_, bytes, reason) => {
    const attempt = () => decode(bytes, "m");
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow("m: found bytes that are not in ONNX's format (");
    expect(attempt).toThrow(reason);
  });

  test("is not followed into millions of parts, each of which would be an object", () => {
    const lead = [...tag(1, 0), 8, ...sized(8, [...tag(2, 0), 17]), ...tag(7, 2), ...varint(2_400_000n)];
    const bytes = new Uint8Array(lead.length + 2_400_000);
    bytes.set(lead);
    for (let at = lead.length; at < bytes.length; at += 2) bytes[at] = tag(1, 2)[0]!;
    expect(() => decode(bytes, "m")).toThrow("more than 1000000 messages");
  });

  test("may have fields that we do not know, and lists of numbers in either form", () => {
    const unknown = [
      ...text(100, "a"),
      ...field,
      1,
      ...tag(101, 1),
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      ...tag(102, 5),
      1,
      2,
      3,
      4,
    ];
    expect(printGraph(decode(followed(...unknown)).graph)).toBe(printGraph(graph));
    const dims = (...bytes: number[]) =>
      graphOf(
        ...sized(5, [...bytes, ...tag(2, 0), 1, ...text(8, "w"), ...sized(4, new Array(8).fill(0))]),
        ...sized(12, text(1, "w")),
      );
    for (const bytes of [dims(...sized(1, [2, 1])), dims(...tag(1, 0), 2, ...tag(1, 0), 1)])
      expect(decode(bytes).variables.get("w")!.shape).toEqual([2, 1]);
  });
});

describe("a file with", () => {
  const node = (model: ModelProto) => model.graph!.node[0]!;
  const faults: [string, (model: ModelProto) => void, string][] = [
    ["an attribute twice", (model) => node(model).attribute.push(node(model).attribute[0]!), 'two attributes named "'],
    ["an input twice", ({ graph }) => graph!.input.push(graph!.input[0]!), 'two inputs named "x"'],
    ["an output twice", ({ graph }) => graph!.output.push(graph!.output[0]!), 'two outputs named "y"'],
    ["a weight twice", ({ graph }) => graph!.initializer.push(graph!.initializer[0]!), 'two values named "w"'],
    ["a text of metadata twice", (model) => model.metadataProps.push(model.metadataProps[0]!), 'metadata named "by"'],
    [
      "an operator set under both of its names",
      (model) => model.opsetImport.push({ ...model.opsetImport[0]!, domain: "ai.onnx" }),
      'two operator sets named "ai.onnx"',
    ],
    [
      "a function twice",
      (model) => {
        const own: MessageInitShape<typeof ModelProtoSchema> = { functions: ["F", "F"].map((name) => ({ name })) };
        model.functions = create(ModelProtoSchema, own).functions;
      },
      'two functions named ":F"',
    ],
    [
      "a value twice in a function",
      (model) => {
        const inside = { name: "F", input: ["a"], node: [{ opType: "Relu", input: ["a"], output: ["a"] }] };
        model.functions = create(ModelProtoSchema, { functions: [inside] }).functions;
      },
      'two values named "a"',
    ],
    [
      "data in two fields",
      ({ graph }) => {
        graph!.initializer[0]!.floatData = new Array(9).fill(1);
      },
      "data in two fields",
    ],
    [
      "a truth value of 2",
      ({ graph }) => Object.assign(graph!.initializer[0]!, { dataType: 9, dims: [1n], rawData: Uint8Array.of(2) }),
      "an element 2; expected one that bool holds",
    ],
    [
      "an element that its type does not hold",
      ({ graph }) =>
        Object.assign(graph!.initializer[0]!, { dataType: 2, dims: [1n], rawData: new Uint8Array(), int32Data: [256] }),
      "an element 256; expected one that uint8 holds",
    ],
    [
      "half a number of half precision",
      ({ graph }) => Object.assign(graph!.initializer[0]!, { dataType: 10, dims: [1n], rawData: new Uint8Array(3) }),
      "3 bytes of data; expected 2",
    ],
    [
      "a shape whose product is beyond all numbers",
      ({ graph }) => Object.assign(graph!.initializer[0]!, { dims: new Array(40).fill(1n << 31n) }),
      "36 bytes of data; expected",
    ],
  ];
  test.each(faults)("%s is refused", (_, change, sentence) => {
    const attempt = () => decode(changed(change), "m");
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(sentence);
  });
});
