import type { Random } from "../../src/tensor/random.ts";
import { decodeSafetensors, encodeSafetensors, safetensorsMetadata } from "../../src/tensor/safetensors.ts";
import { edges, type Format, mutateBytes } from "./format.ts";

/** A header's fields as they are written, so that one may come twice or be no JSON. */
interface Field {
  name: string;
  value: string | Field[];
}

const tensors = (): Field[] => {
  let end = 0;
  const entry = (name: string, dtype: string, shape: number[], bytes: number): Field => {
    const field = {
      name,
      value: [
        { name: "dtype", value: `"${dtype}"` },
        { name: "shape", value: JSON.stringify(shape) },
        { name: "data_offsets", value: JSON.stringify([end, end + bytes]) },
      ],
    };
    end += bytes;
    return field;
  };
  return [
    { name: "__metadata__", value: [{ name: "by", value: '"us"' }] },
    entry("conv.weight", "F32", [2, 1, 2, 2], 32),
    entry("conv.bias", "F16", [2], 4),
    entry("count", "I64", [], 8),
    entry("mask", "BOOL", [3], 3),
    entry("empty", "U8", [0, 4], 0),
    entry("scale", "BF16", [1, 1], 2),
    entry("double", "F64", [1], 8),
  ];
};
const dataBytes = 57;

const write = (fields: readonly Field[]): string =>
  `{${fields.map(({ name, value }) => `"${name}":${typeof value === "string" ? value : write(value)}`).join()}}`;

const texts = [
  "null",
  "true",
  '"F32"',
  '"F8"',
  '"I32"',
  "{}",
  "[]",
  "[[]]",
  '"',
  "1.0",
  "1e3",
  "-0",
  "NaN",
  '"\\ud800"',
];
const names = ["__proto__", "constructor", "__metadata__", "dtype", "shape", "", "\\u0061", "conv.weight", "\\"];

function mutate(fields: Field[], random: Random): void {
  const all: { field: Field; list: Field[] }[] = [];
  const visit = (list: Field[]) => {
    for (const field of list) {
      all.push({ field, list });
      if (typeof field.value !== "string") visit(field.value);
    }
  };
  visit(fields);
  const { field, list } = random.pick(all);
  const numbers = typeof field.value === "string" && /\d/.test(field.value);
  switch (random.integer(0, numbers ? 7 : 4)) {
    case 0:
      list.splice(list.indexOf(field), 1);
      break;
    case 1:
      list.splice(random.integer(0, list.length), 0, structuredClone(field));
      break;
    case 2:
      field.name = random.pick(names);
      break;
    case 3:
      field.value = random.pick([...texts, ...all.map((other) => structuredClone(other.field.value))]);
      break;
    case 4:
      list.reverse();
      break;
    default: {
      const all = [...(field.value as string).matchAll(/\d+/g)];
      const one = all.length === 0 ? undefined : random.pick(all);
      const near = BigInt(one?.[0] ?? 0) + BigInt(random.integer(-2, 2));
      const next = random.pick([...edges, near, near, near].map(String).concat("1.5", "1e2", "01", "", "0x10"));
      if (one) field.value = one.input.slice(0, one.index) + next + one.input.slice(one.index + one[0].length);
    }
  }
}

function fileOf(header: string, length: bigint | undefined, data: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, length ?? BigInt(text.length)), true);
  bytes.set(text, 8);
  return bytes;
}

export const safetensors: Format = {
  name: "safetensors",
  make: (random) => {
    const fields = tensors();
    const kind = random.integer(0, 9);
    if (kind < 8) for (let count = random.integer(1, 3); count > 0; count--) mutate(fields, random);
    const lies = kind === 8;
    const bytes = fileOf(
      write(fields).padEnd(random.integer(0, 400)),
      lies ? random.pick(edges) : undefined,
      lies ? random.integer(0, 80) : dataBytes,
    );
    return kind === 9 || random.integer(0, 9) === 0 ? mutateBytes(bytes, random) : bytes;
  },
  use: async (bytes) => {
    const read = decodeSafetensors(bytes, "fuzz.safetensors");
    safetensorsMetadata(bytes, "fuzz.safetensors");
    const again = decodeSafetensors(encodeSafetensors(read), "again.safetensors");
    for (const [name, tensor] of read)
      if (String(again.get(name)!.data) !== String(tensor.data)) throw new Error(`tensor "${name}" changed`);
  },
};
