import {
  clone,
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { engineOfEnvironment, engineVariable } from "../../src/cli/engine.ts";
import { chooseEngine } from "../../src/engine/choose.ts";
import { Model } from "../../src/models/model.ts";
import {
  AttributeProtoSchema,
  FunctionProtoSchema,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "../../src/onnx/generated/onnx_pb.ts";
import { bodiesOf, tensorsOf } from "../../src/onnx/parts.ts";
import { operators } from "../../src/ops/registry.ts";
import { isBigInt } from "../../src/tensor/dtype.ts";
import type { Random } from "../../src/tensor/random.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { full, type Tensor } from "../../src/tensor/tensor.ts";
import { edges, type Format, mutateBytes } from "./format.ts";

/** A message and what describes it, with its fields by their names. */
interface Site {
  readonly description: DescMessage;
  readonly message: Record<string, unknown>;
}

/** Messages that are changed more often than others, by how much. */
const weights: Readonly<Record<string, number>> = {
  "onnx.AttributeProto": 8,
  "onnx.NodeProto": 4,
  "onnx.TensorProto": 4,
  "onnx.TypeProto.Tensor": 2,
  "onnx.TensorShapeProto.Dimension": 2,
};

function sitesOf(description: DescMessage, message: Message): Site[] {
  const fields = message as unknown as Record<string, unknown>;
  const inside = description.fields.flatMap((field): Site[] => {
    if (!field.message) return [];
    const value = fields[field.localName];
    const messages = (Array.isArray(value) ? value : [value]) as (Message | undefined)[];
    return messages.flatMap((each) => (each ? sitesOf(field.message!, each) : []));
  });
  return [...new Array<Site>(weights[description.typeName] ?? 1).fill({ description, message: fields }), ...inside];
}

const bigint = (random: Random, value: unknown): bigint =>
  random.integer(0, 2) === 0 ? BigInt((value as bigint) ?? 0) + BigInt(random.integer(-2, 2)) : random.pick(edges);

function scalarOf(field: DescField, value: unknown, random: Random, texts: readonly string[]): unknown {
  switch (field.scalar) {
    case ScalarType.INT64:
      return BigInt.asIntN(64, bigint(random, value));
    case ScalarType.UINT64:
      return BigInt.asUintN(64, bigint(random, value));
    case ScalarType.INT32:
      return Number(BigInt.asIntN(32, bigint(random, value ?? 0)));
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return random.pick([0, -1, 1e-30, 1e30, Number.NaN, Number.POSITIVE_INFINITY, 0.5, 2 ** 31, 1e9]);
    case ScalarType.STRING:
      return random.pick([...texts, "", "__proto__", "x".repeat(2000)]);
    default:
      return mutateBytes((value as Uint8Array) ?? new Uint8Array(4), random);
  }
}

function mutateField(
  { message }: Site,
  field: DescField,
  others: readonly Site[],
  random: Random,
  texts: readonly string[],
) {
  const name = field.localName;
  const another = () => {
    const alike = others.filter(({ description }) => description === field.message);
    const chosen = alike.length > 0 && random.integer(0, 3) > 0 ? random.pick(alike).message : create(field.message!);
    return clone(field.message!, chosen as unknown as Message);
  };
  if (field.oneof) {
    const isNumber = random.integer(0, 3) > 0;
    const value = isNumber ? bigint(random, 2n) : random.pick(texts);
    message[field.oneof.localName] = { case: isNumber ? "dimValue" : "dimParam", value };
    return;
  }
  if (field.fieldKind !== "list") {
    message[name] = field.message ? another() : scalarOf(field, message[name], random, texts);
    return;
  }
  const list = message[name] as unknown[];
  const place = random.integer(0, Math.max(0, list.length - 1));
  const item = () => (field.message ? another() : scalarOf(field, list[place], random, texts));
  switch (random.integer(0, field.message ? 3 : 5)) {
    case 0:
      list.splice(place, 1);
      break;
    case 1:
      list.splice(place, 0, item());
      break;
    case 2:
      if (list.length > 0) list.push(list[place]);
      break;
    case 3:
      list.splice(place, 1, ...list.splice(-1));
      break;
    default:
      list[place] = item();
  }
}

/** One of a tensor's whole numbers: of shapes, axes, pads and repeats. */
function mutateNumbers(model: ModelProto, random: Random): void {
  const tensors = [...tensorsOf(model)].filter(({ dataType }) => dataType === 7);
  if (tensors.length === 0) return;
  const tensor: TensorProto = random.pick(tensors);
  if (tensor.rawData.length >= 8) {
    const copy = new Uint8Array(tensor.rawData);
    const at = 8 * random.integer(0, Math.floor(copy.length / 8) - 1);
    new DataView(copy.buffer).setBigInt64(at, BigInt.asIntN(64, random.pick(edges)), true);
    tensor.rawData = copy;
  } else if (tensor.int64Data.length > 0)
    tensor.int64Data[random.integer(0, tensor.int64Data.length - 1)] = BigInt.asIntN(64, random.pick(edges));
}

/** Operators that make much of little, by their operands: the first value, lengths, one length, or a number. */
const greedy: Readonly<Record<string, readonly ("x" | "lengths" | "length" | "floats" | "zero" | "")[]>> = {
  Expand: ["x", "lengths"],
  Reshape: ["x", "lengths"],
  ConstantOfShape: ["lengths"],
  Tile: ["x", "lengths"],
  Pad: ["x", "lengths"],
  Resize: ["x", "", "", "lengths"],
  OneHot: ["zero", "length", "floats"],
  Range: ["zero", "length", "length"],
  Slice: ["x", "lengths", "lengths"],
  CenterCropPad: ["x", "lengths"],
  TopK: ["x", "length"],
  Split: ["x", "lengths"],
};

/** A node that asks for much, after the others, of one of their values. */
function addGreedy(model: ModelProto, random: Random, texts: readonly string[]): void {
  const graph = model.graph!;
  const isSmall = random.integer(0, 1) === 0;
  const length = () =>
    BigInt.asIntN(64, random.integer(0, 2) > 0 ? BigInt(random.integer(0, 300)) : random.pick(edges));
  const lengths = Array.from({ length: random.integer(1, isSmall ? 4 : 8) }, length);
  const whole = (name: string, dims: bigint[], int64Data: bigint[]) =>
    create(TensorProtoSchema, { name, dataType: 7, dims, int64Data });
  graph.initializer.push(
    whole("lengths", [BigInt(lengths.length)], lengths),
    whole("length", [], [length()]),
    whole("zero", [], [0n]),
    create(TensorProtoSchema, { name: "floats", dataType: 1, dims: [2n], floatData: [0, 1] }),
  );
  const opType = random.pick(Object.keys(greedy));
  const input = greedy[opType]!.map((name) => (name === "x" ? random.pick(texts) : name));
  graph.node.push(create(NodeProtoSchema, { opType, input, output: ["much"] }));
  graph.output.push(create(ValueInfoProtoSchema, { name: "much" }));
}

/** Nodes moved into a branch or a function, which may call itself. */
function nest(model: ModelProto, random: Random): void {
  const graph = model.graph!;
  const nodes = graph.node;
  if (nodes.length === 0) return;
  const node = random.pick(nodes);
  if (random.integer(0, 1) === 0) {
    const g = create(GraphProtoSchema, { node: [node], output: node.output.map((name) => ({ name })) });
    graph.initializer.push(create(TensorProtoSchema, { name: "yes", dataType: 9, int32Data: [random.integer(0, 2)] }));
    const attribute = ["then_branch", "else_branch"].map((name) => create(AttributeProtoSchema, { name, type: 5, g }));
    const outer = create(NodeProtoSchema, { opType: "If", input: ["yes"], output: node.output, attribute });
    nodes[nodes.indexOf(node)] = outer;
    return;
  }
  const domain = "own";
  const call = create(NodeProtoSchema, { opType: "F", domain, input: node.input, output: node.output });
  const body = random.integer(0, 2) === 0 ? [call, call] : [node];
  const parts = {
    name: "F",
    domain,
    input: node.input,
    output: node.output,
    node: body,
    opsetImport: model.opsetImport,
  };
  model.functions.push(create(FunctionProtoSchema, parts));
  model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version: 1n }));
  nodes[nodes.indexOf(node)] = call;
}

/** Inputs and weights become constants, so that reading the file computes all that it says. */
function makeConstant(model: ModelProto, random: Random): void {
  const graph = model.graph!;
  const constants = graph.input.flatMap(({ name, type }) => {
    const { elemType = 0, shape } = type?.tensorType ?? {};
    const dims = shape?.dim.map(({ value }) => (value.case === "dimValue" ? value.value : 2n)) ?? [];
    const size = dims.reduce((product, length) => product * length, 1n);
    const width = { 1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8 }[elemType] ?? 4;
    if (size < 0n || size > 10_000n) return [];
    const rawData = Uint8Array.from({ length: Number(size) * width }, (_, at) =>
      at % width === 0 ? random.integer(0, 1) : 0,
    );
    return [create(TensorProtoSchema, { name, dataType: elemType, dims, rawData })];
  });
  const stored = [...constants, ...graph.initializer];
  const names = new Set(stored.map(({ name }) => name));
  graph.initializer = [];
  graph.input = graph.input.filter(({ name }) => !names.has(name));
  graph.node.unshift(
    ...stored.map((tensor) => {
      const attribute = [create(AttributeProtoSchema, { name: "value", type: 4, t: tensor })];
      return create(NodeProtoSchema, { opType: "Constant", output: [tensor.name], attribute });
    }),
  );
  const dim = [{ value: { case: "dimValue" as const, value: 1n } }];
  graph.input.push(
    create(ValueInfoProtoSchema, { name: "unused", type: { tensorType: { elemType: 1, shape: { dim } } } }),
  );
}

function mutate(model: ModelProto, random: Random): void {
  const bodies = [...bodiesOf(model)];
  const texts = bodies.flatMap(({ node }) => node.flatMap(({ input, output }) => [...input, ...output]));
  if (texts.length === 0) texts.push("x");
  const kind = random.integer(0, 15);
  if (kind === 0) addGreedy(model, random, texts);
  else if (kind === 1) nest(model, random);
  else if (kind <= 5) mutateNumbers(model, random);
  else if (kind === 6) {
    const all = bodies.flatMap(({ node }) => node);
    if (all.length > 0) random.pick(all).opType = random.pick([...operators.keys()]).replace(/^.*:/, "");
  } else {
    const sites = sitesOf(ModelProtoSchema, model);
    const site = random.pick(sites);
    mutateField(site, random.pick(site.description.fields), sites, random, texts);
  }
}

/** The most memory that a run may take here: the limit is what is tried, so it is small. */
const memory = 2 ** 26;
/** Larger inputs than this, in elements, a user does not have. */
const largestInput = 1 << 18;

const feedOf = (shape: readonly (number | string)[], dtype: Tensor["dtype"]): Tensor | undefined => {
  const lengths = shape.map((length) => (typeof length === "number" ? length : 2));
  if (!(sizeOf(lengths) <= largestInput)) return undefined;
  const tensor = full(lengths, 1, dtype);
  for (let index = 0; index < tensor.size; index += 3) tensor.data[index] = isBigInt(dtype) ? 0n : 0;
  return tensor;
};

export const onnx = (seeds: readonly ModelProto[]): Format => ({
  name: "onnx",
  make: (random) => {
    const model = clone(ModelProtoSchema, random.pick(seeds));
    if (random.integer(0, 5) === 0) makeConstant(model, random);
    for (let count = random.integer(1, 3); count > 0; count--) mutate(model, random);
    const bytes = toBinary(ModelProtoSchema, model);
    return random.integer(0, 7) === 0 ? mutateBytes(bytes, random) : bytes;
  },
  use: async (bytes) => {
    const model = Model.fromOnnx(bytes, "fuzz.onnx");
    const engine = await chooseEngine(process.env[engineVariable] ? await engineOfEnvironment() : "ort");
    const program = await engine.compile(model.graph, model.variables, { memory, threads: 1 });
    try {
      const feeds = model.graph.inputs.map(({ shape, dtype, source }) => [source.name, feedOf(shape, dtype)] as const);
      if (feeds.every(([, tensor]) => tensor !== undefined))
        await program.run(Object.fromEntries(feeds) as Record<string, Tensor>);
    } finally {
      await program.dispose();
    }
  },
});
