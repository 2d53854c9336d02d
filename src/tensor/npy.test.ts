import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { type DType, dtypes } from "./dtype.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";
import { tensor } from "./tensor.ts";

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));

/** Files that NumPy 1.24 wrote, with what they hold. */
const written: [name: string, dtype: DType, base64: string, shape: number[], numbers: number[]][] = [
  [
    "float32",
    "float32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAPwAAgD8AAMA/AAAAQAAAIEA=",
    [2, 3],
    [0, 0.5, 1, 1.5, 2, 2.5],
  ],
  [
    "float64, big endian",
    "float64",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAD/QAAAAAAAAP+AAAAAAAAA/6AAAAAAAAD/wAAAAAAAAP/QAAAAAAAA=",
    [2, 3],
    [0, 0.25, 0.5, 0.75, 1, 1.25],
  ],
  [
    "float16",
    "float32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDQsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAPADBAQD/ew==",
    [4],
    [1, -2.5, 2 ** -24, 65504],
  ],
  [
    "float16, big endian",
    "float32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDEpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo8ALgA",
    [2, 1],
    [1, -0.5],
  ],
  [
    "int8",
    "int8",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfGkxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr/Ag==",
    [2],
    [-1, 2],
  ],
  [
    "uint8",
    "uint8",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr/Ag==",
    [2],
    [255, 2],
  ],
  [
    "int16, big endian",
    "int16",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmkyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr+1AEs",
    [2],
    [-300, 300],
  ],
  [
    "uint16",
    "uint16",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPHUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr//w==",
    [1],
    [65535],
  ],
  [
    "int32",
    "int32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqQ7v7/",
    [1],
    [-70000],
  ],
  [
    "uint32",
    "uint32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPHU0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr/////",
    [1],
    [4294967295],
  ],
  [
    "int64, big endian",
    "int64",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr///8AAAAAAAAAAAAAAAAH",
    [2],
    [-1099511627776, 7],
  ],
  [
    "uint64",
    "uint64",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPHU4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAEAAA==",
    [1],
    [1099511627776],
  ],
  [
    "bool",
    "bool",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAE=",
    [3],
    [1, 0, 1],
  ],
  [
    "columns first",
    "int32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAwAAAAEAAAAEAAAAAgAAAAUAAAA=",
    [2, 3],
    [0, 1, 2, 3, 4, 5],
  ],
  [
    "columns first, three axes, big endian",
    "float32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAQMAAAEAAAABBAAAAQIAAAEEgAAA/gAAAQOAAAEBAAABBEAAAQKAAAEEwAAA=",
    [2, 3, 2],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  ],
  [
    "a scalar",
    "float32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAACBA",
    [],
    [2.5],
  ],
  [
    "no elements",
    "float32",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDAsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=",
    [0, 3],
    [],
  ],
  [
    "version 2.0",
    "float32",
    "k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=",
    [2, 3],
    [0, 1, 2, 3, 4, 5],
  ],
  [
    "version 3.0",
    "float32",
    "k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=",
    [2, 3],
    [0, 1, 2, 3, 4, 5],
  ],
];

/** Files that NumPy 1.24 wrote, of elements that are not numbers. */
const others: [name: string, base64: string, sentence: string][] = [
  [
    "objects",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfE8nLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqAA2NudW1weS5jb3JlLm11bHRpYXJyYXkKX3JlY29uc3RydWN0CnEAY251bXB5Cm5kYXJyYXkKcQFLAIVxAkMBYnEDh3EEUnEFKEsBSwKFcQZjbnVtcHkKZHR5cGUKcQdYAgAAAE84cQiJiIdxCVJxCihLA1gBAAAAfHELTk5OSv////9K/////0s/dHEMYoldcQ0oTksBZXRxDmIu",
    "descr: found '|O'",
  ],
  [
    "records",
    "k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxpNCcpLCAoJ2InLCAnPGY0JyldLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAAAAAAAQA==",
    "descr: found [('a', '<i4'), ('b',",
  ],
  [
    "texts",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAA==",
    "descr: found '<U2'",
  ],
  [
    "complex numbers",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGMxNicsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAPA/",
    "descr: found '<c16'",
  ],
  [
    "dates",
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPE04W0RdJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIApWRwAAAAAAAA==",
    "descr: found '<M8[D]'",
  ],
];

/** A file with this header, padded as it should be, and so many bytes of data. */
function file(header: string, dataBytes: number, { version = [1, 0], multiple = 64 } = {}): Uint8Array {
  const wide = version[0] !== 1;
  const start = Math.ceil(((wide ? 12 : 10) + header.length + 1) / multiple) * multiple;
  const text = `${header.padEnd(start - (wide ? 13 : 11))}\n`;
  const bytes = new Uint8Array(start + dataBytes);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), ...version]);
  const view = new DataView(bytes.buffer);
  if (wide) view.setUint32(8, text.length, true);
  else view.setUint16(8, text.length, true);
  bytes.set(new TextEncoder().encode(text), wide ? 12 : 10);
  return bytes;
}
const header = (shape: string, descr = "'<f4'", order = "False") =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
const good = header("(2,)");
const changed = (change: (bytes: Uint8Array) => void): Uint8Array => {
  const bytes = file(good, 8);
  change(bytes);
  return bytes;
};

describe("npy", () => {
  test.each(written)("reads NumPy's %s", (_, dtype, base64, shape, numbers) => {
    const read = decodeNpy(bytesOf(base64));
    expect(read.dtype).toBe(dtype);
    expect(read.shape).toEqual(shape);
    expect(read.toArray()).toEqual(numbers);
  });

  test.each(["float32", "a scalar", "no elements", "bool", "uint64"])("writes %s to the byte as NumPy does", (name) => {
    const [, , base64] = written.find(([each]) => each === name)!;
    expect(Buffer.from(encodeNpy(decodeNpy(bytesOf(base64)))).toString("base64")).toBe(base64);
  });

  test.each(Object.keys(dtypes) as DType[])("keeps %s", (dtype) => {
    const given = tensor([1, 0, 1, 1, 0, 1], [2, 1, 3], dtype);
    expect(decodeNpy(encodeNpy(given))).toEqual(given);
  });

  test("reads fields in any order, and headers padded as older NumPy did", () => {
    const odd = "{'shape': (2,), 'descr': '<f4', 'fortran_order': True}";
    expect(decodeNpy(file(odd, 8, { multiple: 16 })).shape).toEqual([2]);
  });

  const faults: [string, Uint8Array, string][] = [
    ["an empty file", new Uint8Array(), "f: found bytes that do not begin as one of NumPy's files"],
    ["another format", changed((bytes) => bytes.fill(0x92, 0, 1)), "f: found bytes that do not begin as one"],
    ["version 1.1", file(good, 8, { version: [1, 1] }), "f, version: found 1.1; expected 1.0, 2.0 or 3.0."],
    ["version 4.0", file(good, 8, { version: [4, 0] }), "f, version: found 4.0"],
    ["a header longer than the file", changed((bytes) => bytes.fill(255, 8, 10)), "f, header length: found 65535 in"],
    ["a header of 4 GB", changed((bytes) => bytes.set([2, 0, 255, 255, 255, 255], 6)), "found 4294967295 in 136 bytes"],
    ["a header that ends anywhere", file(good, 8, { multiple: 10 }), "f, header length: found"],
    [
      "a header that is not ASCII",
      changed((bytes) => bytes.fill(0xff, 12, 13)),
      "f, header: found other than printable",
    ],
    ["a line's end within", changed((bytes) => bytes.fill(0x0a, 100, 101)), "f, header: found other than printable"],
    [
      "no line's end",
      changed((bytes) => bytes.fill(0x20, 127, 128)),
      "f, header: found nothing; expected spaces and a",
    ],
    ["more than a dictionary", file(`${good} x`, 8), "f, header: found x; expected spaces and a line's end"],
    ["a list", file("[]", 8), "f, header: found []; expected a dictionary."],
    [
      "no shape",
      file("{'descr': '<f4', 'fortran_order': False, }", 8),
      "f, shape: found nothing; expected whole numbers",
    ],
    [
      "a field twice",
      file(good.replace("}", "'shape': (2,), }"), 8),
      "f, shape: found 'shape': (2,), }; expected every field",
    ],
    ["an unknown field", file(good.replace("}", "'x': 1, }"), 8), "f, header: found 'x': 1, }; expected descr,"],
    [
      "__proto__",
      file(good.replace("shape", "__proto__"), 8),
      "f, header: found '__proto__': (2,), }; expected descr,",
    ],
    ["double quotes", file(good.replaceAll("'", '"'), 8), 'f, header: found "descr": "<f4"'],
    ["an expression", file(header("(1+1,)"), 8), "f, shape: found (1+1,), }; expected whole numbers"],
    ["a dimension with a point", file(header("(2.0,)"), 8), "f, shape: found (2.0,), }"],
    ["a dimension with an exponent", file(header("(2e0,)"), 8), "f, shape: found (2e0,), }"],
    ["a negative dimension", file(header("(-2,)"), 8), "f, shape: found (-2,), }"],
    ["a dimension with a zero before it", file(header("(02,)"), 8), "f, shape: found 02; expected a whole number"],
    ["a dimension beyond 2^53", file(header("(9007199254740992,)"), 8), "f, shape: found 9007199254740992"],
    ["a long integer of Python 2", file(header("(2L,)"), 8), "f, shape: found (2L,), }"],
    ["a number for a shape", file(header("(2)"), 8), "f, shape: found (2), }"],
    [
      "a product beyond 2^53",
      file(header("(4294967296, 4294967296)"), 8),
      "f, shape: found (4294967296,4294967296) of f4 and 8 bytes of data; expected fewer than 2^53 bytes.",
    ],
    ["too little data", file(good, 7), "f, shape: found (2) of f4 and 7 bytes of data; expected 8 bytes."],
    ["too much data", file(good, 9), "f, shape: found (2) of f4 and 9 bytes of data; expected 8 bytes."],
    [
      "an order that is none",
      file(header("(2,)", "'<f4'", "Maybe"), 8),
      "f, fortran_order: found Maybe, 'shape': (2,), }",
    ],
    ["an order that is a number", file(header("(2,)", "'<f4'", "0"), 8), "f, fortran_order: found 0, 'shape': (2,), }"],
    ["no byte order", file(header("(2,)", "'f4'"), 8), "f, descr: found 'f4'; expected < or >"],
    ["the machine's byte order", file(header("(2,)", "'=f4'"), 8), "f, descr: found '=f4'"],
    ["a byte order for bytes", file(header("(2,)", "'<u1'"), 2), "f, descr: found '<u1'"],
    ["floats of 128 bits", file(header("(2,)", "'<f16'"), 32), "f, descr: found '<f16'"],
    [
      "a truth value of 2",
      file(header("(1,)", "'|b1'"), 1).fill(2, -1),
      "f: found a truth value that is neither 0 nor 1",
    ],
  ];
  test.each(faults)("refuses %s", (_, bytes, sentence) => {
    const attempt = () => decodeNpy(bytes, "f");
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(sentence);
  });

  test.each(others)("refuses NumPy's %s", (_, base64, sentence) => {
    expect(() => decodeNpy(bytesOf(base64), "f")).toThrow(`f, ${sentence}`);
  });
});
