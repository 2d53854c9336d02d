/** The engines that every operator is held against the reference with. */
import type { Engine } from "../../src/engine/engine.ts";
import { ort } from "../../src/engine/ort/ort.ts";

export const engines: readonly Engine[] = [ort];
