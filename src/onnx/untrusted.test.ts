import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, describe, expect, test } from "vitest";
import { ort } from "../engine/ort/ort.ts";
import { StriateError } from "../errors.ts";
import { Model } from "../models/model.ts";
import { sizeOf } from "../tensor/shape.ts";
import { full } from "../tensor/tensor.ts";
import { type AttributeProto, AttributeProtoSchema, ModelProtoSchema } from "./generated/onnx_pb.ts";

type Whole = number | bigint;
type Attribute = Whole | string | readonly Whole[];
/** Numbers that the file keeps: floats, or 64-bit integers. */
interface Stored {
  readonly floats?: readonly number[];
  readonly whole?: readonly Whole[];
  readonly shape?: readonly number[];
}
interface Hostile {
  readonly op: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Operands after the first, in order. */
  readonly with?: readonly (Stored | undefined)[];
  /** The input's shape, or a constant in its place. */
  readonly x?: readonly Whole[] | Stored;
  readonly type?: number;
}

function attributeOf([name, value]: [string, Attribute]): AttributeProto {
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: 3, s: new TextEncoder().encode(value) });
  if (typeof value === "object") return create(AttributeProtoSchema, { name, type: 7, ints: value.map(BigInt) });
  return create(AttributeProtoSchema, { name, type: 2, i: BigInt(value) });
}

const isShape = (x: Hostile["x"]): x is readonly Whole[] => Array.isArray(x);

const inputOf = (name: string, shape: readonly Whole[], elemType: number) => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: { dim: shape.map((length) => ({ value: { case: "dimValue" as const, value: BigInt(length) } })) },
    },
  },
});

/** A file of one node. */
function fileOf({ op, attributes = {}, with: operands = [], x = [1, 2, 4, 4], type = 1 }: Hostile): Uint8Array {
  const all = [isShape(x) ? undefined : x, ...operands];
  const names = all.map((stored, index) => (stored || (index === 0 && isShape(x)) ? `x${index}` : ""));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version: 21n }],
      graph: {
        node: [{ opType: op, input: names, output: ["y"], attribute: Object.entries(attributes).map(attributeOf) }],
        initializer: all.flatMap((stored, index) => {
          if (!stored) return [];
          const { floats = [], whole = [], shape = [floats.length + whole.length] } = stored;
          const form = { name: names[index]!, dims: shape.map(BigInt), dataType: stored.whole ? 7 : 1 };
          return [{ ...form, floatData: [...floats], int64Data: whole.map(BigInt) }];
        }),
        input: [isShape(x) ? inputOf("x0", x, type) : inputOf("unused", [1], 1)],
        output: [{ name: "y" }],
      },
    }),
  );
}

/** What a user does with a file: reads it, compiles it, runs it. */
async function use(bytes: Uint8Array): Promise<void> {
  const model = Model.fromOnnx(bytes, "m");
  const program = await ort.compile(model.graph, model.variables, { threads: 1 });
  try {
    const feeds = model.graph.inputs.map(({ source, shape, dtype }) => {
      const lengths = shape as readonly number[];
      if (sizeOf(lengths) > 1 << 20) throw new Error(`a run that needs an input of [${lengths}]`);
      return [source.name, full(lengths, 1, dtype)];
    });
    await program.run(Object.fromEntries(feeds));
  } finally {
    await program.dispose();
  }
}

const [int31, int32, int63] = [2n ** 31n - 1n, 2n ** 31n, 2n ** 63n - 1n];
const whole = (...numbers: Whole[]): Stored => ({ whole: numbers });
const scalar = (number: Whole): Stored => ({ whole: [number], shape: [] });
const kernel = (...shape: number[]): Stored => ({ floats: new Array(sizeOf(shape)).fill(1), shape });
const conv = (attributes: Hostile["attributes"]): Hostile => ({ op: "Conv", attributes, with: [kernel(2, 2, 3, 3)] });
const pads = (pad: Whole) => ({ pads: [pad, 0, 0, 0] });

const memory = "bring the memory for a run to";

const hostile: [string, Hostile, string][] = [
  ["LayerNormalization with axis 2^31", { op: "LayerNormalization", attributes: { axis: int32 } }, "axis 2147483648"],
  [
    "LayerNormalization with axis 2^31 - 1",
    { op: "LayerNormalization", attributes: { axis: int31 }, with: [kernel(4)] },
    "axis 2147483647",
  ],
  [
    "LayerNormalization with axis -2^63",
    { op: "LayerNormalization", attributes: { axis: -(2n ** 63n) } },
    "axis -922337203",
  ],
  ["Conv with a pad of 2^31 - 1", conv(pads(int31)), "padding 2147483647"],
  ["Conv with a pad of 2^24", conv({ pads: [2 ** 24, 2 ** 24, 0, 0] }), memory],
  ["Conv with a pad of 2^63 - 1", conv(pads(int63)), "pads 9223372036854775807"],
  ["Conv with a negative pad", conv(pads(-1)), "padding -1x0x0x0"],
  ["Conv with pads and strides of 2^31 - 1", conv({ ...pads(int31), strides: [int31, 1] }), "stride 2147483647"],
  ["Conv with a stride of 0", conv({ strides: [0, 1] }), "stride 0x1"],
  ["Conv with a dilation of 0", conv({ dilations: [1, 0] }), "dilation 1x0"],
  ["Conv with a dilation of 2^31 - 1", conv({ dilations: [int31, 1] }), "dilation 2147483647"],
  ["Conv with one stride", conv({ strides: [1] }), "strides [1]"],
  ["Conv in no groups", conv({ group: 0 }), "0 groups"],
  ["Conv in -1 groups", conv({ group: -1 }), "-1 groups"],
  ["Conv in 2^31 - 1 groups", conv({ group: int31 }), "2147483647 groups"],
  ["Conv with another kernel", conv({ kernel_shape: [int31, 3] }), "kernel_shape 2147483647x3"],
  ["Conv with weights without axes", { op: "Conv", with: [kernel()] }, "weights of scalar"],
  [
    "ConvTranspose with a stride of 2^24",
    { op: "ConvTranspose", attributes: { strides: [2 ** 24, 2 ** 24] }, with: [kernel(2, 2, 3, 3)] },
    memory,
  ],
  [
    "ConvTranspose with a stride of 2^31 - 1",
    { op: "ConvTranspose", attributes: { strides: [int31, 1] }, with: [kernel(2, 2, 3, 3)] },
    "2147483647",
  ],
  [
    "MaxPool with a kernel of 2^31 - 1",
    { op: "MaxPool", attributes: { kernel_shape: [int31, 1] } },
    "kernel 2147483647x1",
  ],
  ["MaxPool without a kernel", { op: "MaxPool" }, "kernel"],
  [
    "AveragePool with padding beyond its kernel",
    { op: "AveragePool", attributes: { kernel_shape: [2, 2], pads: [9, 9, 9, 9] } },
    "pad",
  ],
  ["a Reshape that asks for 17 GB", { op: "Reshape", x: [65_536, 65_536], with: [whole(-1)] }, "34.4 GB"],
  [
    "an input of 17 GB",
    { op: "ReduceSum", x: [65_536, 65_536] },
    "65536x65536 of float32, which bring the memory for a run to 17.2 GB",
  ],
  ["a Reshape to another size", { op: "Reshape", with: [whole(int31, int31)] }, "as many elements after as before"],
  ["a Reshape to a negative length", { op: "Reshape", with: [whole(-5)] }, "1x2x4x4 to -5"],
  ["Expand to 17 GB", { op: "Expand", with: [whole(65_536, 1, 1, 4, 65_536)] }, ""],
  ["Expand of a constant to 17 GB", { op: "Expand", x: { floats: [1] }, with: [whole(65_536, 65_536)] }, memory],
  ["Expand to 2^63 - 1", { op: "Expand", x: { floats: [1] }, with: [whole(int63)] }, "Expand"],
  ["Expand to a negative length", { op: "Expand", x: { floats: [1] }, with: [whole(-3)] }, "-3"],
  ["ConstantOfShape of 17 GB", { op: "ConstantOfShape", x: whole(65_536, 65_536) }, memory],
  ["ConstantOfShape of 2^80", { op: "ConstantOfShape", x: whole(2 ** 40, 2 ** 40) }, memory],
  ["ConstantOfShape of -1", { op: "ConstantOfShape", x: whole(-1) }, "shape of [-1]"],
  ["Tile to 17 GB", { op: "Tile", with: [whole(65_536, 8192, 1, 1)] }, memory],
  ["Range to 2^40", { op: "Range", x: scalar(0), with: [scalar(2 ** 40), scalar(1)] }, "Range"],
  ["Range by steps of 0", { op: "Range", x: scalar(0), with: [scalar(5), scalar(0)] }, "Range"],
  ["Pad by 2^40", { op: "Pad", with: [whole(0, 0, 0, 2 ** 32, 0, 0, 0, 0)] }, memory],
  ["Pad by less than there is", { op: "Pad", with: [whole(0, 0, 0, -9, 0, 0, 0, 0)] }, "pads"],
  [
    "reflecting Pad by 2^31",
    { op: "Pad", attributes: { mode: "reflect" }, with: [whole(0, 0, 0, int32, 0, 0, 0, 0)] },
    memory,
  ],
  [
    "Resize to 2^31",
    { op: "Resize", attributes: { mode: "linear" }, with: [undefined, undefined, whole(1, 2, 4, int32)] },
    "Resize",
  ],
  ["Resize by nothing", { op: "Resize", with: [undefined, { floats: [1, 1, 0, 0] }] }, "Resize"],
  [
    "Resize by infinity",
    { op: "Resize", with: [undefined, { floats: [1, 1, Number.POSITIVE_INFINITY, 1] }] },
    "Resize",
  ],
  ["Resize by NaN", { op: "Resize", with: [undefined, { floats: [1, 1, Number.NaN, 1] }] }, "Resize"],
  ["OneHot of 2^40 classes", { op: "OneHot", x: whole(0, 1), with: [scalar(2 ** 40), { floats: [0, 1] }] }, memory],
  ["OneHot of -1 classes", { op: "OneHot", x: whole(0, 1), with: [scalar(-1), { floats: [0, 1] }] }, "a depth of -1"],
  ["OneHot of one value", { op: "OneHot", x: whole(0, 1), with: [scalar(3), { floats: [1] }] }, "OneHot"],
  ["Cast to INT4", { op: "Cast", attributes: { to: 22 } }, "22"],
  ["Cast to 2^31 - 1", { op: "Cast", attributes: { to: int31 } }, "2147483647"],
  ["Softmax along axis 4", { op: "Softmax", attributes: { axis: 4 } }, "axis 4"],
  ["Concat along axis -5", { op: "Concat", attributes: { axis: -5 }, with: [kernel(1, 2, 4, 4)] }, "axis -5"],
  ["Concat without an axis", { op: "Concat", with: [kernel(1, 2, 4, 4)] }, "axis"],
  ["Split into too much", { op: "Split", attributes: { axis: 1 }, with: [whole(3)] }, "parts of [3]"],
  ["Split into less than nothing", { op: "Split", attributes: { axis: 1 }, with: [whole(-2)] }, "parts of [-2]"],
  ["Split along axis 2^31", { op: "Split", attributes: { axis: int32 } }, "axis 2147483648"],
  ["Transpose by one axis twice", { op: "Transpose", attributes: { perm: [0, 1, 1, 3] } }, "order [0,1,1,3]"],
  ["Transpose by an axis there is not", { op: "Transpose", attributes: { perm: [0, 1, 2, 4] } }, "order [0,1,2,4]"],
  ["Flatten at axis 9", { op: "Flatten", attributes: { axis: 9 } }, "axis 9"],
  ["Squeeze of an axis that is long", { op: "Squeeze", with: [whole(1)] }, "axis 1"],
  ["Unsqueeze at axis 2^31", { op: "Unsqueeze", with: [whole(int32)] }, "axis 2147483648"],
  ["Gather along axis 7", { op: "Gather", attributes: { axis: 7 }, with: [whole(0)] }, "axis 7"],
  ["Gather at what there is not", { op: "Gather", with: [whole(int63)] }, "ONNX Runtime"],
  [
    "GatherND of more axes than there are",
    { op: "GatherND", attributes: { batch_dims: 9 }, with: [whole(0)] },
    "GatherND",
  ],
  ["Slice by steps of 0", { op: "Slice", with: [whole(0), whole(1), whole(2), whole(0)] }, "a step of 0"],
  ["ReduceSum along axis 9", { op: "ReduceSum", with: [whole(9)] }, "axis 9"],
  ["ArgMax along axis 9", { op: "ArgMax", attributes: { axis: 9 } }, "axis 9"],
  ["TopK of more than there are", { op: "TopK", with: [whole(int63)] }, "k of 9223372036854776000"],
  ["CumSum along axis 9", { op: "CumSum", with: [scalar(9)] }, "axis 9"],
  ["DepthToSpace in blocks of 0", { op: "DepthToSpace", attributes: { blocksize: 0 } }, "DepthToSpace"],
  ["DepthToSpace in blocks of 2^31 - 1", { op: "DepthToSpace", attributes: { blocksize: int31 } }, "DepthToSpace"],
  ["SpaceToDepth in blocks of -1", { op: "SpaceToDepth", attributes: { blocksize: -1 } }, "SpaceToDepth"],
  ["LRN over no channels", { op: "LRN", attributes: { size: 0 } }, "LRN"],
  ["LRN over -3 channels", { op: "LRN", attributes: { size: -3 } }, "LRN"],
  [
    "GroupNormalization in no groups",
    { op: "GroupNormalization", attributes: { num_groups: 0 }, with: [kernel(2), kernel(2)] },
    "0 groups",
  ],
  [
    "InstanceNormalization of other channels",
    { op: "InstanceNormalization", with: [kernel(9), kernel(9)] },
    "a vector of 9",
  ],
  [
    "BatchNormalization of other channels",
    { op: "BatchNormalization", with: [kernel(2), kernel(2), kernel(9), kernel(2)] },
    "9",
  ],
  ["PRelu of other channels", { op: "PRelu", with: [kernel(9, 1, 1)] }, "9"],
  ["Gemm of other sizes", { op: "Gemm", x: [2, 3], with: [kernel(4, 5)] }, "2x3 by 4x5"],
  ["Einsum of a letter too few", { op: "Einsum", attributes: { equation: "ab->a" } }, "Einsum"],
  ["Trilu of a vector", { op: "Trilu", x: [4] }, "Trilu"],
  ["EyeLike of 2^31", { op: "EyeLike", x: [int31, int31] }, "EyeLike"],
  ["an input of negative length", { op: "Relu", x: [-1] }, "dimension -1"],
  ["an input of 2^63 - 1", { op: "Relu", x: [int63] }, "dimension 9223372036854775807"],
  ["an input of 4-bit integers", { op: "Relu", type: 22 }, "without a tensor type"],
];

describe("a hostile file", () => {
  afterAll(() => ort.close());

  test.each(hostile)("with %s is refused", async (_, model, sentence) => {
    const start = performance.now();
    const bytes = fileOf(model);
    if (sentence === "") await use(bytes).catch((error) => expect(error).toBeInstanceOf(StriateError));
    else {
      const error = await use(bytes).then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(StriateError);
      expect(error.message).toContain(sentence);
    }
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
