import { Random } from "../../src/tensor/random.ts";
import type { Format } from "./format.ts";
import { npy } from "./npy.ts";
import { onnx } from "./onnx.ts";
import { readSeeds } from "./onnx-seeds.ts";
import { safetensors } from "./safetensors.ts";

export const formatNames = ["safetensors", "npy", "onnx"] as const;
export type FormatName = (typeof formatNames)[number];

/** A format by its name; `cases` is the folder of the ONNX standard's cases, if there is one. */
export function formatOf(name: FormatName, cases: string | undefined): Format {
  if (name === "onnx") return onnx(readSeeds(cases));
  return name === "npy" ? npy : safetensors;
}

/** The file of a number: the same for the same seed. */
export const fileOf = (format: Format, seed: number, index: number): Uint8Array =>
  format.make(new Random(seed, "fuzz", format.name, index));
