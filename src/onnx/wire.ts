/**
 * Protocol Buffers' wire format, checked before it is decoded: decoders read bytes of another type than the field's,
 * cut numbers that are too long for it, and take the last of several values for one. https://protobuf.dev/programming-guides/encoding/
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** How the bytes of a field are told apart: a number of varying length, 8 bytes, a length and so many bytes, 4 bytes. */
const wireTypes = { varint: 0, eight: 1, sized: 2, four: 5 } as const;

/** How deep messages may nest: a branch in a branch is three levels. */
const deepest = 100;
/** How many messages, and how many whole numbers of 64 bits outside raw data, a file may have: objects of many bytes each. */
const mostMessages = 1_000_000;
const mostNumbers = 2 ** 22;

/** Where bytes are not what a message's description says, and why. */
export class WireError extends Error {}

/** @throws WireError naming the field, for bytes that are not exactly one message of this type */
export function checkWire(message: DescMessage, bytes: Uint8Array): void {
  new WireChecker(bytes).message(message, 0, bytes.length, [], 0);
}

type Path = readonly (string | number)[];

const pathText = (path: Path): string => path.join(".").replace(/\.(\d+)(?=\.|$)/g, "[$1]");

class WireChecker {
  readonly #bytes: Uint8Array;
  readonly #text = new TextDecoder("utf-8", { fatal: true });
  #at = 0;
  #messages = 0;
  #numbers = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(description: DescMessage, from: number, to: number, path: Path, depth: number): void {
    if (depth > deepest) throw refusal(path, `messages ${deepest} deep`);
    if (++this.#messages > mostMessages) throw refusal(path, `more than ${mostMessages} messages`);
    const fields = fieldsOf(description);
    const counts = new Map<string, number>();
    this.#at = from;
    while (this.#at < to) {
      const { low, high } = this.#varint(to, path);
      const [number, wireType] = [low >>> 3, low & 7];
      if (high !== 0 || number === 0 || number > 536_870_911) throw refusal(path, `field ${number}`);
      const field = fields.get(number);
      const place = field ? [...path, field.name] : path;
      if (!field) {
        this.#skip(wireType, to, place);
        continue;
      }
      // The members of a oneof are one field.
      const slot = field.oneof?.name ?? field.name;
      const count = counts.get(slot) ?? 0;
      counts.set(slot, count + 1);
      if (field.fieldKind !== "list" && count > 0) throw refusal(place, "the same field twice");
      this.#field(field, wireType, to, field.fieldKind === "list" ? [...place, count] : place, depth);
    }
  }

  #field(field: DescField, wireType: number, to: number, place: Path, depth: number): void {
    const expected = wireTypeOf(field);
    const isPacked = wireType === wireTypes.sized && expected !== wireTypes.sized && field.fieldKind === "list";
    if (wireType !== expected && !isPacked) throw refusal(place, `wire type ${wireType} instead of ${expected}`);
    if (expected !== wireTypes.sized && !isPacked) {
      this.#number(field, expected, to, place);
      return;
    }
    const end = this.#length(to, place);
    if (field.message) this.message(field.message, this.#at, end, place, depth + 1);
    else if (field.scalar === ScalarType.STRING) this.#string(end, place);
    else if (isPacked) this.#packed(field, expected, end, place);
    this.#at = end;
  }

  #packed(field: DescField, wireType: number, end: number, place: Path): void {
    const width = wireType === wireTypes.eight ? 8 : 4;
    if (wireType === wireTypes.varint) while (this.#at < end) this.#number(field, wireType, end, place);
    else if ((end - this.#at) % width !== 0) throw refusal(place, `${end - this.#at} bytes of numbers of ${width}`);
  }

  #number(field: DescField, wireType: number, to: number, place: Path): void {
    if (wireType !== wireTypes.varint) {
      this.#skip(wireType, to, place);
      return;
    }
    const { low, high } = this.#varint(to, place);
    const fits = high === (low | 0) >> 31;
    if (field.scalar === ScalarType.INT32 && !fits) throw refusal(place, "a number beyond 32 bits");
    if (field.scalar !== ScalarType.INT32 && ++this.#numbers > mostNumbers)
      throw refusal(place, `more than ${mostNumbers} whole numbers of 64 bits`);
  }

  #string(end: number, place: Path): void {
    let text: string;
    try {
      text = this.#text.decode(this.#bytes.subarray(this.#at, end));
    } catch {
      throw refusal(place, "a text that is not UTF-8");
    }
    if (text === "__proto__") throw refusal(place, "the name __proto__");
  }

  #skip(wireType: number, to: number, path: Path): void {
    if (wireType === wireTypes.varint) this.#varint(to, path);
    else if (wireType === wireTypes.sized) this.#at = this.#length(to, path);
    else if (wireType === wireTypes.eight || wireType === wireTypes.four)
      this.#at += wireType === wireTypes.eight ? 8 : 4;
    else throw refusal(path, `wire type ${wireType}`);
    if (this.#at > to) throw refusal(path, "the end within a number");
  }

  /** Where the bytes end whose length stands here. */
  #length(to: number, path: Path): number {
    const { low, high } = this.#varint(to, path);
    const length = high === 0 ? low >>> 0 : Number.POSITIVE_INFINITY;
    if (length > to - this.#at) throw refusal(path, `${length} bytes where ${to - this.#at} are left`);
    return this.#at + length;
  }

  /** A number of 64 bits in groups of seven, the lowest first, as two signed halves. */
  #varint(to: number, path: Path): { low: number; high: number } {
    let [low, high] = [0, 0];
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= to) throw refusal(path, "the end within a number");
      const byte = this.#bytes[this.#at++]!;
      const group = byte & 0x7f;
      if (shift < 28) low |= group << shift;
      else if (shift === 28) [low, high] = [low | (group << 28), group >> 4];
      else high |= group << (shift - 32);
      if (shift === 63 && byte > 1) break;
      if (byte < 0x80) return { low, high };
    }
    throw refusal(path, "a number beyond 64 bits");
  }
}

const refusal = (path: Path, reason: string): WireError =>
  new WireError(path.length === 0 ? reason : `${pathText(path)}: ${reason}`);

const described = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(message: DescMessage): ReadonlyMap<number, DescField> {
  const known = described.get(message) ?? new Map(message.fields.map((field) => [field.number, field]));
  described.set(message, known);
  return known;
}

function wireTypeOf({ scalar, message }: DescField): number {
  if (message || scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return wireTypes.sized;
  if (scalar === ScalarType.DOUBLE) return wireTypes.eight;
  return scalar === ScalarType.FLOAT ? wireTypes.four : wireTypes.varint;
}
