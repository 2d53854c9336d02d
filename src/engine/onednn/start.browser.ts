/** In a browser there is no oneDNN. */
import { StriateError } from "../../errors.ts";
import type { Peer } from "../../platform/calls.ts";

export function startEngine(): Peer {
  throw new StriateError({ subject: "oneDNN", found: "a browser", expected: "Node", mend: 'Use the engine "ort"' });
}
