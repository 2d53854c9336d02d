import { decodeNpy, encodeNpy } from "../../src/tensor/npy.ts";
import { edges, type Format, mutateBytes } from "./format.ts";

const types = ["'<f4'", "'>f4'", "'<f2'", "'>f8'", "'|u1'", "'|b1'", "'<i8'", "'>u2'"];
const bytesOf = (type: string) => Number(type.at(-2));
const otherTypes = ["'|O'", "'<U3'", "'<c8'", "[('a', '<f4')]", "'f4'", "'=f4'", "'<f4", "'<u1'", "'<i3'", "''", "<f4"];
const orders = ["True", "False"];
const otherOrders = ["0", "true", "None", "", "'False'"];
const otherShapes = [
  "(2)",
  "2",
  "()",
  "(,)",
  "(2,,3)",
  "(2, 3",
  "[2, 3]",
  "(2L,)",
  "(2.0,)",
  "(1e1,)",
  "(2, 3,)",
  "(02,)",
];

export const npy: Format = {
  name: "npy",
  make: (random) => {
    const type = random.pick(types);
    const shape = Array.from({ length: random.integer(0, 4) }, () => BigInt(random.integer(0, 4)));
    const data = Number(shape.reduce((size, length) => size * length, 1n)) * bytesOf(type);
    let version = random.integer(1, 3);
    const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
    const fields: [string, string][] = [
      ["descr", type],
      ["fortran_order", random.pick(orders)],
      ["shape", tuple],
    ];
    const write = (name: string, value: string) => {
      for (const field of fields) if (field[0] === name) field[1] = value;
    };
    let [extra, lie, multiple, end] = [0, 0n, 64, "\n"];
    const changes: (() => void)[] = [
      () => write("descr", random.pick([...types, ...otherTypes])),
      () => write("fortran_order", random.pick([...orders, ...otherOrders])),
      () => write("shape", random.pick(otherShapes)),
      () => {
        const lengths = shape.length === 0 ? [1n] : [...shape];
        lengths[random.integer(0, lengths.length - 1)] = random.pick(edges);
        write("shape", `(${lengths.join(", ")}${lengths.length === 1 ? "," : ""})`);
      },
      () => fields.splice(random.integer(0, fields.length), 0, [...random.pick(fields)]),
      () => fields.splice(random.integer(0, fields.length - 1), 1),
      () => {
        random.pick(fields)[0] = random.pick(["__proto__", "descr", "order", ""]);
      },
      () => fields.reverse(),
      () => {
        extra = random.integer(-9, 9);
      },
      () => {
        lie = random.pick(edges);
      },
      () => {
        multiple = random.pick([1, 16, 32]);
      },
      () => {
        end = random.pick(["", " ", "\r\n", "\n\n", "x\n", "\0"]);
      },
      () => {
        version = random.integer(0, 5);
      },
    ];
    const kind = random.integer(0, 9);
    if (kind < 9)
      for (let count = random.integer(1, 3); count > 0 && fields.length > 0; count--) random.pick(changes)();
    const from = version === 1 ? 10 : 12;
    const text = `{${fields.map(([name, value]) => `'${name}': ${value}`).join(", ")}, }`;
    const start = Math.ceil((from + text.length + end.length) / multiple) * multiple;
    const header = new TextEncoder().encode(text.padEnd(start - from - end.length) + end);
    const bytes = new Uint8Array(from + header.length + Math.max(0, data + extra));
    bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), version, 0]);
    const length = Number(BigInt.asUintN(32, BigInt(header.length) + lie));
    const view = new DataView(bytes.buffer);
    if (version === 1) view.setUint16(8, length, true);
    else view.setUint32(8, length, true);
    bytes.set(header, from);
    if (!type.includes("b"))
      for (let at = from + header.length; at < bytes.length; at++) bytes[at] = random.integer(0, 255);
    return kind === 9 || random.integer(0, 9) === 0 ? mutateBytes(bytes, random) : bytes;
  },
  use: async (bytes) => {
    const read = decodeNpy(bytes, "fuzz.npy");
    const again = decodeNpy(encodeNpy(read), "again.npy");
    if (String(again.data) !== String(read.data) || String(again.shape) !== String(read.shape))
      throw new Error("changed");
  },
};
