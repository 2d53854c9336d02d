/** Weights that an ONNX file keeps in other files: read only from a folder that the user allows. */
import { StriateError } from "../errors.ts";
import { openInside } from "../platform/files.ts";
import { parseModel } from "./file.ts";
import type { ModelProto, TensorProto } from "./generated/onnx_pb.ts";
import { tensorsOf } from "./parts.ts";
import { isExternal, tensorForm } from "./tensor.ts";

/** The bytes of tensors, by where files say they are. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

const keyOf = ({ location, offset, length }: Place): string => `${offset} ${length} ${location}`;

/** The most bytes that the other files of one model may come to. */
const mostBytes = 2 ** 33;

const entries = ["location", "offset", "length", "checksum"];

/** Where a tensor's data is: a file's name relative to the allowed folder, and a range of bytes that its shape asks for. */
function placeOf(proto: TensorProto, subject: string): Place {
  const place = `${subject}, tensor "${proto.name}"`;
  const refuse = (field: string, found: string, expected: string) =>
    new StriateError({ subject: `${place}, external data, ${field}`, found, expected });
  const given = new Map<string, string>();
  for (const { key, value } of proto.externalData) {
    if (!entries.includes(key)) throw refuse("entry", `"${key}"`, `one of ${entries.join(", ")}`);
    if (given.has(key)) throw refuse(key, "the same entry twice", "every entry once");
    given.set(key, value);
  }
  const whole = (field: string, missing: number): number => {
    const text = given.get(field) ?? String(missing);
    const value = Number(text);
    if (!/^(0|[1-9]\d*)$/.test(text) || !Number.isSafeInteger(value))
      throw refuse(field, text, "a whole number from 0 to 2^53 - 1, in digits alone");
    return value;
  };
  if (proto.dataLocation !== 1) throw refuse("data_location", String(proto.dataLocation), "1");
  if (proto.rawData.length > 0) throw refuse("raw_data", "data in this file too", "data in one");
  const location = given.get("location");
  if (location === undefined) throw refuse("location", "nothing", "a file's name");
  const { size, bytes, shape } = tensorForm(proto, place);
  const length = whole("length", size * bytes);
  if (length !== size * bytes) throw refuse("length", String(length), `${size * bytes} for shape [${shape}]`);
  return { location, offset: whole("offset", 0), length };
}

/**
 * The data that an ONNX file keeps in other files.
 * @param folder the only folder in which they may be
 * @throws StriateError where one is not inside the folder (an absolute path, `..`, a link of any kind), is no regular
 * file, or is shorter than the model says
 */
export async function readExternalData(bytes: Uint8Array, subject: string, folder: string): Promise<ExternalData> {
  const places = new Map<string, Place[]>();
  let total = 0;
  for (const proto of tensorsOf(parseModel(bytes, subject))) {
    if (!isExternal(proto)) continue;
    const place = placeOf(proto, subject);
    const ranges = places.get(place.location) ?? [];
    places.set(place.location, ranges);
    ranges.push(place);
    total += place.length;
    if (total > mostBytes)
      throw new StriateError({ subject, found: "more than 8 GiB of external data", expected: "less" });
  }
  const data = new Map<string, Uint8Array>();
  for (const [location, ranges] of places) {
    const file = await openInside(folder, location);
    try {
      for (const range of ranges)
        if (!data.has(keyOf(range))) data.set(keyOf(range), await file.read(range.offset, range.length));
    } finally {
      await file.close();
    }
  }
  return data;
}

/** Puts data that was read into the tensors that it is of. */
export function attachExternalData(model: ModelProto, data: ExternalData, subject: string): void {
  for (const proto of tensorsOf(model)) {
    if (!isExternal(proto)) continue;
    const bytes = data.get(keyOf(placeOf(proto, subject)));
    if (!bytes) continue;
    Object.assign(proto, { rawData: bytes, externalData: [], dataLocation: 0 });
  }
}
