/** ONNX files written by hand, for tests of what files may say. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
} from "../../src/onnx/generated/onnx_pb.ts";

type Attribute = number | string | readonly number[] | { readonly floats: readonly number[] } | GraphText;
export interface NodeText {
  readonly op: string;
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly references?: Readonly<Record<string, string>>;
  readonly domain?: string;
}
export interface GraphText {
  readonly nodes: readonly NodeText[];
  readonly outputs: readonly string[];
  /** Floats: a vector, or numbers of a shape. */
  readonly initializers?: Readonly<
    Record<string, readonly number[] | { shape: readonly number[]; data: readonly number[] }>
  >;
  readonly integers?: Readonly<Record<string, readonly number[]>>;
}

function attributeOf(name: string, value: Attribute): AttributeProto {
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: 3, s: new TextEncoder().encode(value) });
  if (typeof value === "number" && !Number.isInteger(value))
    return create(AttributeProtoSchema, { name, type: 1, f: value });
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: 2, i: BigInt(value) });
  if ("floats" in value) return create(AttributeProtoSchema, { name, type: 6, floats: [...value.floats] });
  if ("nodes" in value) return create(AttributeProtoSchema, { name, type: 5, g: graphOf(value) });
  return create(AttributeProtoSchema, { name, type: 7, ints: value.map(BigInt) });
}

const nodeOf = (node: NodeText) => ({
  opType: node.op,
  domain: node.domain ?? "",
  name: node.out[0]!,
  input: [...node.in],
  output: [...node.out],
  attribute: [
    ...Object.entries(node.attributes ?? {}).map(([name, value]) => attributeOf(name, value)),
    ...Object.entries(node.references ?? {}).map(([name, refAttrName]) =>
      create(AttributeProtoSchema, { name, refAttrName }),
    ),
  ],
});

const graphOf = ({ nodes, outputs, initializers = {}, integers = {} }: GraphText, inputs: Inputs = {}) =>
  create(GraphProtoSchema, {
    node: nodes.map(nodeOf),
    output: outputs.map((name) => ({ name })),
    initializer: [
      ...Object.entries(initializers).map(([name, given]) => {
        const { shape, data } = "data" in given ? given : { shape: [given.length], data: given };
        return { name, dataType: 1, dims: shape.map(BigInt), floatData: [...data] };
      }),
      ...Object.entries(integers).map(([name, data]) => ({
        name,
        dataType: 7,
        dims: [BigInt(data.length)],
        int64Data: data.map(BigInt),
      })),
    ],
    input: Object.entries(inputs).map(([name, shape]) => ({
      name,
      type: {
        tensorType: {
          elemType: 1,
          shape: {
            dim: shape.map((each) =>
              typeof each === "number"
                ? { value: { case: "dimValue" as const, value: BigInt(each) } }
                : { value: { case: "dimParam" as const, value: each } },
            ),
          },
        },
      },
    })),
  });

type Inputs = Readonly<Record<string, readonly (number | string)[]>>;

export interface FunctionText {
  readonly name: string;
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly nodes: readonly NodeText[];
}

/** The bytes of a file of this operator set. */
export const file = (version: number, graph: GraphText, inputs: Inputs, functions: readonly FunctionText[] = []) =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [
        { domain: "", version: BigInt(version) },
        { domain: "own", version: 1n },
      ],
      graph: graphOf(graph, inputs),
      functions: functions.map((each) => ({
        name: each.name,
        domain: "own",
        input: [...each.in],
        output: [...each.out],
        node: each.nodes.map(nodeOf),
        opsetImport: [
          { domain: "", version: BigInt(version) },
          { domain: "own", version: 1n },
        ],
      })),
    }),
  );
