/** What an ONNX file says of itself, checked before anything is made of it. */
import { fromBinary } from "@bufbuild/protobuf";
import { StriateError } from "../errors.ts";
import type { Dimension } from "../graph/value.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import type { DType } from "../tensor/dtype.ts";
import {
  type FunctionProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type OperatorSetIdProto,
  type ValueInfoProto,
} from "./generated/onnx_pb.ts";
import { checkNames, domainOf } from "./parts.ts";
import { checkWire, WireError } from "./wire.ts";
import { opset } from "./write.ts";

const oldestOpset = 1;
const newestOpset = 28;

/**
 * The message that a file is.
 * @throws StriateError for bytes that are not an ONNX model, and for names that stand for two things
 */
export function parseModel(bytes: Uint8Array, subject: string): ModelProto {
  const expected = "an ONNX model";
  const mend = "Give a file that was exported as .onnx";
  let model: ModelProto;
  try {
    checkWire(ModelProtoSchema, bytes);
    model = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    const why = cause instanceof WireError ? ` (${cause.message})` : "";
    throw new StriateError({ subject, found: `bytes that are not in ONNX's format${why}`, expected, mend, cause });
  }
  if (!model.graph || model.irVersion < 1n || model.opsetImport.length === 0)
    throw new StriateError({ subject, found: "no graph and no operator set", expected, mend });
  checkNames(model, subject);
  return model;
}

/**
 * The version of the standard operator set.
 * @throws StriateError when there is none though nodes are of it, and for versions that we do not know
 */
export function opsetOf(imports: readonly OperatorSetIdProto[], nodes: readonly NodeProto[], subject: string): number {
  const version = imports.find((each) => domainOf(each) === "")?.version;
  if (version === undefined && nodes.every((node) => domainOf(node) !== "")) return newestOpset;
  if (version === undefined || version < oldestOpset || version > newestOpset)
    throw new StriateError({
      subject,
      found: version === undefined ? "no standard operator set" : `operator set ${version}`,
      expected: `one from ${oldestOpset} to ${newestOpset}`,
      mend: `Export the model again for operator set ${opset}`,
    });
  return Number(version);
}

/** Functions that the file brings along, by domain and name. */
export const functionsOf = (model: ModelProto): Map<string, FunctionProto> =>
  new Map(model.functions.map((each) => [`${domainOf(each)}:${each.name}`, each]));

/** ONNX's numbers for the types that are read as float32. */
const halfTypes: readonly (number | undefined)[] = [10, 16];

/** The element type that a number of ONNX's stands for; half precision is read as float32. */
export const dtypeOf = (code: number | undefined): DType | undefined =>
  halfTypes.includes(code)
    ? "float32"
    : (Object.entries(onnxDTypes).find(([, each]) => each === code)?.[0] as DType | undefined);

/** The type of an input. */
export function typeOf({ name, type }: ValueInfoProto, subject: string): { dtype: DType; shape: Dimension[] } {
  const tensor = type?.tensorType;
  const dtype = dtypeOf(tensor?.elemType);
  if (!tensor?.shape || !dtype)
    throw new StriateError({ subject, found: `input "${name}" without a tensor type`, expected: "a type and a shape" });
  const shape = tensor.shape.dim.map(({ value }, axis): Dimension => {
    if (value.case !== "dimValue") return value.value || `${name}.${axis}`;
    if (value.value < 0n || value.value > BigInt(2 ** 31))
      throw new StriateError({ subject, found: `dimension ${value.value} of input "${name}"`, expected: "0 to 2^31" });
    return Number(value.value);
  });
  return { dtype, shape };
}
