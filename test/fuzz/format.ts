/** What is fuzzed: a format, how a file of it is made wrong, and what a user does with one. */
import type { Random } from "../../src/tensor/random.ts";

export interface Format {
  readonly name: string;
  /** A valid file with changes to its structure or its bytes, all drawn from `random`. */
  make(random: Random): Uint8Array;
  /**
   * Reads the file and, where it is accepted, goes on as a user would.
   * @throws StriateError for a file that is refused; any other error is a failure
   */
  use(bytes: Uint8Array): Promise<void>;
}

/** Numbers at the edges of what files can say. */
export const edges: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  5n,
  7n,
  16n,
  255n,
  65_535n,
  65_536n,
  1_000_000n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -1n,
  -2n,
  -3n,
  -65_536n,
  -(2n ** 31n),
  -(2n ** 31n) - 1n,
  -(2n ** 53n),
  -(2n ** 63n),
];

/** Bytes flipped, cut off, put in, written over or repeated. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.integer(0, Math.max(0, bytes.length - 1));
  const length = random.integer(1, 16);
  const parts = (...all: Uint8Array[]) => Uint8Array.from(all.flatMap((part) => [...part]));
  const noise = Uint8Array.from({ length }, () => random.integer(0, 255));
  switch (random.integer(0, 5)) {
    case 0:
      return bytes.map((byte, index) => (index === at ? byte ^ (1 << random.integer(0, 7)) : byte));
    case 1:
      return bytes.slice(0, at);
    case 2:
      return parts(bytes.subarray(0, at), noise, bytes.subarray(at));
    case 3:
      return parts(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return bytes.map((byte, index) => (index >= at && index < at + length ? random.pick([0, 255, 127, byte]) : byte));
    default:
      return parts(bytes.subarray(0, at + length), bytes.subarray(at));
  }
}
