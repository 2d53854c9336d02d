/** The engines that every operator is held against the reference with: oneDNN where its library is. */
import type { Engine } from "../../src/engine/engine.ts";
import { missing } from "../../src/engine/onednn/library.ts";
import { onednn } from "../../src/engine/onednn/onednn.ts";
import { ort } from "../../src/engine/ort/ort.ts";

export const engines: readonly Engine[] = missing() === undefined ? [ort, onednn] : [ort];
