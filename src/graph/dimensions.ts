/** What shape arithmetic says: the dimensions, some by name, that whole numbers computed from shapes stand for. */
import { constantOf, type Dimension, producerOf, type Value } from "./value.ts";

/** More elements than this are no shape. */
const longest = 64;
/** Names longer than this say nothing. */
const longestName = 1000;
const known = new WeakMap<Value, { readonly dimensions: readonly Dimension[] | undefined }>();

/**
 * The dimensions that a vector or scalar of 64-bit integers stands for: of a constant its numbers, of a `Shape` its
 * operand's shape, of what is computed from them (gathered, joined, multiplied) what the operators say.
 */
export function dimensionsOf(value: Value): readonly Dimension[] | undefined {
  if ((value.dtype !== "int64" && value.dtype !== "int32") || value.shape.length > 1) return undefined;
  const tensor = constantOf(value);
  if (tensor) return tensor.size <= longest ? tensor.toArray() : undefined;
  const node = producerOf(value);
  if (!node?.op.dimensions) return undefined;
  const cached = known.get(value);
  if (cached) return cached.dimensions;
  const given = node.op.dimensions(node.inputs, node.attributes);
  const isShort = given?.every((each) => typeof each === "number" || each.length <= longestName);
  const dimensions = given && isShort && given.length <= longest ? given : undefined;
  known.set(value, { dimensions });
  return dimensions;
}
