/** Where a program's tensors lie: one block of memory, in which those that do not live at the same time share places. */
import { allocate, type DType, dtypes, type TypedArray } from "../../tensor/dtype.ts";
import { type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Description, Dnnl, Form, Handle } from "./dnnl.ts";
import type { Stored } from "./precision.ts";

/** How the elements of a tensor follow one another: row-major, or with the channels (axis 1) innermost. */
export type Order = "plain" | "channelsLast";

/** For how long bytes are needed: for good, from step to step, or as a variable's value now or after the run. */
export type Home = "kept" | "arena" | "now" | "next";

/** Bytes that are placed together. */
export interface Region {
  home: Home;
  readonly bytes: number;
  /** Of a variable: its name. */
  variable?: string;
  /** The first and the last step that use it. */
  first: number;
  last: number;
  offset: number;
}

/** A tensor in memory. Several may share a region. */
export interface Cell {
  readonly dtype: DType;
  /** How its floats are stored: float32, where it is not said. */
  readonly precision?: Stored;
  readonly shape: Shape;
  readonly order: Order;
  readonly region: Region;
  /** Where in the region it begins, in bytes. */
  readonly start?: number;
  /** The library's own form of it, where it is neither order. */
  readonly description?: Description;
}

/** Bytes that every tensor's place is a multiple of. */
const alignment = 64;
const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Elements from one neighbour to the next along each axis. */
export function stridesIn(order: Order, shape: Shape): readonly number[] {
  if (order === "plain") return stridesOf(shape);
  const [, channels, ...spatial] = shape as [number, number, ...number[]];
  const inner = stridesOf(spatial).map((stride) => stride * channels);
  return [sizeOf(spatial) * channels, 1, ...inner];
}

/** Whether both orders put the elements in the same places. */
export const isEitherOrder = (shape: Shape): boolean =>
  shape.length < 3 || shape[1] === 1 || shape.slice(2).every((length) => length === 1);

export const formOf = ({ shape, order, precision }: Cell): Form => ({
  shape,
  strides: stridesIn(order, shape),
  dtype: precision,
});

export const bytesOf = (dtype: DType, shape: Shape, precision: Stored = "float32"): number =>
  (precision === "bfloat16" ? 2 : dtypes[dtype].array.BYTES_PER_ELEMENT) * sizeOf(shape);

/**
 * Gives every region of the arena a place that no other region which lives at the same time has: the largest first, each
 * in the lowest gap that holds it.
 * @returns the bytes that they take together
 */
export function arrange(regions: readonly Region[], from: number): number {
  const placed: Region[] = [];
  let end = from;
  for (const region of regions.toSorted((one, other) => other.bytes - one.bytes || one.first - other.first)) {
    const together = placed
      .filter((other) => other.first <= region.last && region.first <= other.last)
      .sort((one, other) => one.offset - other.offset);
    let offset = from;
    for (const other of together) {
      if (other.offset - offset >= aligned(region.bytes)) break;
      offset = Math.max(offset, other.offset + aligned(other.bytes));
    }
    region.offset = offset;
    placed.push(region);
    end = Math.max(end, offset + aligned(region.bytes));
  }
  return end;
}

/** Places regions one after the other. */
function inRow(regions: readonly Region[], from: number): number {
  let end = from;
  for (const region of regions) {
    region.offset = end;
    end += aligned(region.bytes);
  }
  return end;
}

/** The block of memory. A variable has two places, its value now and the one before or after, which change roles. */
export class Memory {
  readonly bytes: number;
  readonly #dnnl: Dnnl;
  readonly #buffer: ArrayBuffer;
  readonly #base: number;
  readonly #address: number;
  /** The library's memories of variables, each with its places in even and odd runs. */
  readonly #moving: { readonly handle: Handle; readonly places: readonly [number, number] }[] = [];
  readonly #offsets = new Map<string, readonly [number, number]>();
  #turn: 0 | 1 = 0;

  constructor(dnnl: Dnnl, regions: Iterable<Region>) {
    this.#dnnl = dnnl;
    const all = [...new Set(regions)];
    const of = (home: Home) => all.filter((region) => region.home === home);
    const names = new Map(
      all.flatMap(({ variable, bytes }) => (variable === undefined ? [] : [[variable, bytes] as const])),
    );
    let end = inRow(of("kept"), 0);
    for (const [name, bytes] of names) {
      this.#offsets.set(name, [end, end + aligned(bytes)]);
      end += 2 * aligned(bytes);
    }
    this.bytes = arrange(of("arena"), end);
    this.#buffer = new ArrayBuffer(this.bytes + alignment);
    const address = dnnl.addressOf(this.#buffer);
    this.#base = aligned(address) - address;
    this.#address = address + this.#base;
  }

  #places(region: Region): readonly [number, number] {
    if (region.variable === undefined) return [region.offset, region.offset];
    const [even, odd] = this.#offsets.get(region.variable)!;
    return region.home === "now" ? [even, odd] : [odd, even];
  }

  /** The elements of a tensor, in the order in which they lie, as they are in this run. */
  view({ dtype, shape, region, start = 0 }: Cell): () => TypedArray {
    const { array } = dtypes[dtype];
    const [even, odd] = this.#places(region).map(
      (offset) => new array(this.#buffer, this.#base + offset + start, sizeOf(shape)) as TypedArray,
    ) as [TypedArray, TypedArray];
    return region.variable === undefined ? () => even : () => (this.#turn === 0 ? even : odd);
  }

  /** The library's handle for a tensor. */
  handle(cell: Cell): Handle {
    const places = this.#places(cell.region).map((place) => place + (cell.start ?? 0)) as [number, number];
    const description = cell.description ?? this.#dnnl.describe(formOf(cell));
    const handle = this.#dnnl.memory(description, this.#address + places[this.#turn]);
    if (cell.region.variable !== undefined) this.#moving.push({ handle, places });
    return handle;
  }

  /** What variables become is what they are; what they were is kept until the next turn. */
  turn(): void {
    this.#turn = this.#turn === 0 ? 1 : 0;
    for (const { handle, places } of this.#moving) this.#dnnl.place(handle, this.#address + places[this.#turn]);
  }
}

/** A copy of a tensor's elements of its own. */
export function copied(dtype: DType, elements: TypedArray): TypedArray {
  const copy = allocate(dtype, elements.length);
  (copy as Float32Array).set(elements as Float32Array);
  return copy;
}
