/** In a browser there is no oneDNN. */
import { StriateError } from "../../errors.ts";
import type { Peer } from "../../platform/calls.ts";

export function startEngine(): Peer {
  throw new StriateError({ subject: 'engine "onednn"', found: "a browser", expected: "Node" });
}

export const startNear = async (): Promise<Peer> => startEngine();
