/** The engine that a command runs on. */
import type { Engine } from "../engine/engine.ts";
import { onednn } from "../engine/onednn/onednn.ts";
import { ort } from "../engine/ort/ort.ts";
import { reference } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";

export const engineVariable = "STRIATE_ENGINE";

const engines: readonly Engine[] = [ort, onednn, reference];
const names = engines.map(({ name }) => name).join(", ");

/** What help says of it. */
export const engineNote = `${engineVariable} chooses the engine: ${names}; ${ort.name} is the default.`;

/**
 * The engine that the environment names; ONNX Runtime unless it does.
 * @throws StriateError for a name that is none's
 */
export function chosenEngine(): Engine {
  const name = process.env[engineVariable] || ort.name;
  const engine = engines.find((each) => each.name === name);
  if (engine) return engine;
  throw new StriateError({ subject: engineVariable, found: name, expected: `one of ${names}` });
}
