/**
 * Seeded, counter-based random numbers: every number is a pure function of (seed, stream, index), so any of them can be
 * drawn without drawing those before it. Only exactly rounded operations (+ - * / sqrt) and integer arithmetic are used,
 * so every JavaScript engine draws the same bits.
 *
 * Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
import { StriateError } from "../errors.ts";

/** The high 32 bits of the product of two 32-bit integers taken as unsigned. No intermediate passes 32 bits. */
function multiplyHigh(left: number, right: number): number {
  const leftLow = left & 0xffff;
  const leftHigh = left >>> 16;
  const rightLow = right & 0xffff;
  const rightHigh = right >>> 16;
  const middle = Math.imul(leftHigh, rightLow) + (Math.imul(leftLow, rightLow) >>> 16);
  const carry = Math.imul(leftLow, rightHigh) + (middle & 0xffff);
  return (Math.imul(leftHigh, rightHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** Replaces the 128-bit counter in `block` by the four words that Philox4x32-10 makes of it under a 64-bit key. */
function philoxInPlace(block: Uint32Array, key0: number, key1: number): void {
  let [c0, c1, c2, c3] = [block[0]! | 0, block[1]! | 0, block[2]! | 0, block[3]! | 0];
  let [k0, k1] = [key0 | 0, key1 | 0];
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    c0 = high1 ^ c1 ^ k0;
    c1 = Math.imul(0xcd9e8d57, c2);
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  block[0] = c0;
  block[1] = c1;
  block[2] = c2;
  block[3] = c3;
}

/** One Philox4x32-10 block: four 32-bit words for a 128-bit counter and a 64-bit key. */
export function philox(counter: readonly [number, number, number, number], key: readonly [number, number]): number[] {
  const block = Uint32Array.from(counter);
  philoxInPlace(block, ...key);
  return [...block];
}

/** A 32-bit number for a name (FNV-1a, from any start), to key streams by what they are for. */
function hash(name: string, start: number): number {
  let value = start;
  for (let index = 0; index < name.length; index++) value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
  return value >>> 0;
}

/**
 * A stream of random numbers, named by what it is for: `new Random(seed, "initialise", "conv1.weight")`. Streams with
 * different names are independent.
 *
 * @example
 * import { Random } from "striate";
 *
 * const first = new Random(1, "noise").normal();
 * console.assert(first === new Random(1, "noise").normal());
 */
export class Random {
  readonly #key: [number, number];
  readonly #stream: [number, number];
  #blocks = 0;
  readonly #words = new Uint32Array(4);
  /** How many of the words have been drawn. */
  #drawn = 4;

  /** @throws StriateError when the seed is not a whole number from 0 to 2^53 - 1. */
  constructor(seed: number, ...name: readonly (string | number)[]) {
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new StriateError({ subject: "seed", found: String(seed), expected: "a whole number from 0 to 2^53 - 1" });
    const path = name.join("/");
    this.#key = [seed >>> 0, Math.floor(seed / 0x100000000)];
    this.#stream = [hash(path, 0x811c9dc5), hash(path, 0x9e3779b9)];
  }

  /** The next 32 random bits, as an unsigned integer. */
  bits(): number {
    if (this.#drawn === 4) this.#refill();
    return this.#words[this.#drawn++]!;
  }

  #refill(): void {
    const words = this.#words;
    words[0] = this.#blocks;
    words[1] = this.#blocks / 0x100000000;
    words[2] = this.#stream[0];
    words[3] = this.#stream[1];
    philoxInPlace(words, this.#key[0], this.#key[1]);
    this.#blocks++;
    this.#drawn = 0;
  }

  /** A number in [low, high), uniformly: 53 random bits in [0, 1), scaled. */
  uniform(low = 0, high = 1): number {
    const unit = ((this.bits() >>> 5) * 0x4000000 + (this.bits() >>> 6)) / 0x20000000000000;
    return low + (high - low) * unit;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** A draw from the normal distribution, by the inverse of its distribution function. */
  normal(mean = 0, deviation = 1): number {
    return mean + deviation * normalQuantile(((this.bits() >>> 0) + 0.5) / 0x100000000);
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)]!;
  }

  /** The numbers 0 to `count` - 1 in random order (Fisher and Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, index) => index);
    for (let last = count - 1; last > 0; last--) {
      const other = this.integer(0, last);
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }
}

/** Horner's rule for eight coefficients, the constant first; written out, since a loop takes twice the time. */
const polynomial = (c: readonly number[], x: number): number =>
  ((((((c[7]! * x + c[6]!) * x + c[5]!) * x + c[4]!) * x + c[3]!) * x + c[2]!) * x + c[1]!) * x + c[0]!;

/**
 * The quantile of the standard normal distribution to about 16 digits, by the rational approximations of algorithm
 * AS 241 (PPND16): M. J. Wichura, "The percentage points of the normal distribution", Applied Statistics 37, 1988.
 */
export function normalQuantile(probability: number): number {
  const offset = probability - 0.5;
  if (Math.abs(offset) <= 0.425) {
    const r = 0.180625 - offset * offset;
    return (offset * polynomial(centre.numerator, r)) / polynomial(centre.denominator, r);
  }
  const tail = Math.sqrt(-exactLog(offset < 0 ? probability : 1 - probability));
  const { numerator, denominator, start } = tail <= 5 ? shoulder : far;
  const value = polynomial(numerator, tail - start) / polynomial(denominator, tail - start);
  return offset < 0 ? -value : value;
}

/** The natural logarithm with exactly rounded operations only: Math.log may differ between engines in its last bit. */
function exactLog(x: number): number {
  let exponent = 0;
  while (x < Math.SQRT1_2) {
    x *= 2;
    exponent--;
  }
  const ratio = (x - 1) / (x + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let index = 0; index < reciprocals.length; index++) sum = sum * square + reciprocals[index]!;
  return 2 * ratio * sum + exponent * Math.LN2;
}

/** Of the odd numbers from 23 down to 1. */
const reciprocals = Array.from({ length: 12 }, (_, index) => 1 / (23 - 2 * index));

const centre = {
  numerator: [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
    33430.57558358813, 2509.0809287301227,
  ],
  denominator: [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852546,
  ],
};

const shoulder = {
  start: 1.6,
  numerator: [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  denominator: [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
};

const far = {
  start: 5,
  numerator: [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
  ],
  denominator: [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
    1.421511758316446e-7, 2.0442631033899397e-15,
  ],
};
