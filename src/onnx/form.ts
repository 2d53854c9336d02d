/** A node of a file on its way to an operator: what it says, with its operands as values. */
import { StriateError } from "../errors.ts";
import type { AttributeKind, AttributeValue } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import type { AttributeProto } from "./generated/onnx_pb.ts";
import { decodeTensor } from "./tensor.ts";
import { attributeTypes } from "./write.ts";

export interface NodeForm {
  readonly type: string;
  /** The operator set that says what it means. */
  readonly version: number;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** How many outputs the file asks for. */
  readonly outputs: number;
  /** Any value that a node before it makes, or an input, by its name in the file. */
  readonly named?: (name: string) => Value | undefined;
}

/** What a node does, as more graph. */
export type Composition = (form: NodeForm) => readonly Value[];

const kinds = new Map<number, AttributeKind>(
  Object.entries(attributeTypes).map(([kind, code]) => [code, kind as AttributeKind]),
);
const stringsType = 8;

/** The kind of an attribute by its type, or where old files leave that out by what it holds. */
function kindOf({ type, ints, floats, t, s, f }: AttributeProto): AttributeKind | "strings" | undefined {
  if (type === stringsType) return "strings";
  if (type !== 0) return kinds.get(type);
  if (t) return "tensor";
  if (ints.length > 0) return "ints";
  if (floats.length > 0) return "floats";
  if (s.length > 0) return "string";
  return f === 0 ? "int" : "float";
}

/**
 * The value of an attribute, whatever operator it is for.
 * @throws StriateError for a kind that no operator of ours has, and for whole numbers beyond 32 bits
 */
export function attributeValue(attribute: AttributeProto, place: string): AttributeValue {
  const refuse = (found: string, expected: string): never => {
    throw new StriateError({ subject: place, found, expected });
  };
  const whole = (value: bigint): number =>
    value > BigInt(2 ** 31 - 1) || value < BigInt(-(2 ** 31))
      ? refuse(`${attribute.name} ${value}`, "at most 2^31 - 1")
      : Number(value);
  switch (kindOf(attribute)) {
    case "float":
      return shortest(attribute.f);
    case "int":
      return whole(attribute.i);
    case "string":
      return text(attribute.s, place);
    case "strings":
      return attribute.strings.map((each) => text(each, place));
    case "floats":
      return attribute.floats;
    case "ints":
      return attribute.ints.map(isOpen(attribute.name) ? clamped : whole);
    case "tensor":
      return attribute.t
        ? decodeTensor(attribute.t, place)
        : refuse(`attribute "${attribute.name}" without its tensor`, "a tensor");
    default:
      return refuse(
        `attribute "${attribute.name}" of type ${attribute.type}`,
        "a number, a text, a list of them or a tensor",
      );
  }
}

/** The shortest decimal that is this number in single precision, which is what was meant: 1e-5, not 9.99999974737875e-6. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

/** The ranges of old slices, which may go as far as 64 bits do: to the end. */
const isOpen = (name: string): boolean => name === "starts" || name === "ends";
const clamped = (value: bigint): number => Math.min(Math.max(Number(value), -(2 ** 31)), 2 ** 31 - 1);

export function text(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new StriateError({ subject: place, found: "a text that is not UTF-8", expected: "UTF-8", cause });
  }
}
