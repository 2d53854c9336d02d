/** In which precision a program computes. */
import type { Precision } from "../engine.ts";
import type { Dnnl } from "./dnnl.ts";

/** How floats are stored. */
export type Stored = Exclude<Precision, "auto">;

/** Without matrix units the library emulates bfloat16, or has no more than dot products: slower than float32. */
export const chosenPrecision = (dnnl: Dnnl, asked: Precision): Stored =>
  asked === "auto" ? (dnnl.hasMatrixUnits() ? "bfloat16" : "float32") : asked;
