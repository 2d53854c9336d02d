/** Where a program's tensors lie: one block of memory, in which those that do not live at the same time share places. */
import { StriateError } from "../../errors.ts";
import { fixedShape, type Value } from "../../graph/value.ts";
import { formatBytes } from "../../platform/file-terms.ts";
import { inLargePages } from "../../platform/native.ts";
import { allocate, type DType, dtypes, type TypedArray } from "../../tensor/dtype.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Description, Dnnl, Form, Handle } from "./dnnl.ts";
import { aligned, alignment, arrange, inRow } from "./places.ts";
import type { Stored } from "./precision.ts";

/**
 * How the elements of a tensor follow one another: row-major, with the channels (axis 1) innermost, or in blocks of 16
 * channels, each a map with its 16 innermost.
 */
export type Order = "plain" | "channelsLast" | "blocked";

/** The channels of a block: the last one of a tensor is filled up with zeros. */
export const blockLength = 16;

/** A shape with all its blocks whole. */
export const filledUp = ([batch, channels, ...spatial]: Shape): Shape => [
  batch!,
  Math.ceil(channels! / blockLength) * blockLength,
  ...spatial,
];

/**
 * For how long bytes are needed: for good, from step to step, as a variable's value now or after the run, or as that of a
 * variable whose next value is written over it.
 */
export type Home = "kept" | "arena" | "now" | "next" | "only";

/** Bytes that are placed together. */
export interface Region {
  home: Home;
  readonly bytes: number;
  /** Of a variable: its name. */
  variable?: string;
  /** What it lies over. */
  over?: Region;
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
  /** Of one in the library's own form: the form of what it was made from, and where in its region that began. */
  readonly from?: { readonly description: Description; readonly start: number };
}

/** How a tensor lies, wherever that is. */
export type Placed = Pick<Cell, "shape" | "order" | "precision">;

/** The lengths of a value, each known. */
export function shapeOf(value: Value): Shape {
  const shape = fixedShape(value);
  if (!shape)
    throw new StriateError({
      subject: "oneDNN",
      found: `a shape of ${formatShape(value.shape)}`,
      expected: "shapes that are known before the run",
      mend: 'Give lengths for the names with `dimensions`, or use the engine "ort"',
    });
  return shape;
}

/** Elements from one neighbour to the next along each axis. */
export function stridesIn(order: Order, shape: Shape): readonly number[] {
  if (order === "plain") return stridesOf(shape);
  const [, channels, ...spatial] = shape as [number, number, ...number[]];
  const inner = stridesOf(spatial).map((stride) => stride * channels);
  return [sizeOf(spatial) * channels, 1, ...inner];
}

/** Whether the places of all its elements are numbers of 32 bits. */
export const isCountable = (shape: readonly (number | string)[]): boolean => sizeOf(shape as Shape) < 2 ** 31;

/** The bytes of a tensor that lies in this order. */
export const roomOf = (dtype: DType, shape: Shape, order: Order, precision?: Stored): number =>
  bytesOf(dtype, order === "blocked" ? filledUp(shape) : shape, precision);

/** The shape of a tensor without blocks, and its strides: of whole blocks, the channels are an axis of their own, the last. */
export function stepsOf(order: Order, shape: Shape): { readonly shape: Shape; readonly strides: readonly number[] } {
  if (order !== "blocked") return { shape, strides: stridesIn(order, shape) };
  const [batch, channels, ...spatial] = shape as [number, number, ...number[]];
  const split = [batch, channels / blockLength, ...spatial, blockLength];
  return { shape: split, strides: stridesOf(split) };
}

/** Whether a tensor's channels fill blocks, so that these are an axis of their own. */
export const fillsBlocks = (shape: Shape): boolean => shape[1]! % blockLength === 0;

/** Whether a tensor's elements are all that there is where it lies: of blocks, the last may be filled up. */
export const isGapless = ({ order, shape }: Pick<Cell, "order" | "shape">): boolean =>
  order !== "blocked" || fillsBlocks(shape);

/** A tensor in blocks with what fills up the last of them, zeros, as elements like all others. */
export const withFilling = (cell: Cell): Cell =>
  cell.order === "blocked" ? { ...cell, shape: filledUp(cell.shape) } : cell;

/** Whether the orders with strides put the elements in the same places. */
export const isEitherOrder = (shape: Shape): boolean =>
  shape.length < 3 || shape[1] === 1 || shape.slice(2).every((length) => length === 1);

/** Whether two orders put the elements of this shape in the same places. */
export function isSameOrder(one: Order, other: Order, shape: Shape): boolean {
  if (one === other) return true;
  if (one !== "blocked" && other !== "blocked") return isEitherOrder(shape);
  const isWhole = fillsBlocks(shape) && sizeOf(shape.slice(2)) === 1;
  return isWhole || (shape[1] === blockLength && one !== "plain" && other !== "plain");
}

export const formOf = ({ shape, order, precision }: Placed): Form => ({
  shape,
  ...(order === "blocked" ? { inBlocks: "channels" as const } : { strides: stridesIn(order, shape) }),
  dtype: precision,
});

export const bytesOf = (dtype: DType, shape: Shape, precision: Stored = "float32"): number =>
  (precision === "bfloat16" ? 2 : dtypes[dtype].array.BYTES_PER_ELEMENT) * sizeOf(shape);

/**
 * The block of memory: what is kept, two generations of variables which change roles (but for those that have one place
 * only), and the arena. Until it is written, the generation to come is part of the arena too.
 */
export class Memory {
  readonly bytes: number;
  readonly #dnnl: Dnnl;
  readonly #buffer: ArrayBuffer;
  readonly #base: number;
  readonly #address: number;
  /** The library's memories that change places, each with those in even and odd runs. */
  readonly #moving: { readonly handle: Handle; readonly places: readonly [number, number] }[] = [];
  /** The library's memories of inputs, which may be elsewhere in a run, and the regions that something looks at besides. */
  readonly #fed: ReadonlyMap<Region, { readonly handle: Handle; readonly start: number }[]>;
  readonly #seen = new Set<Region>();
  /** Where the generations begin, and their bytes. */
  readonly #start: number;
  readonly #generation: number;
  #turn: 0 | 1 = 0;

  /**
   * @param from the first step at which the generation before the present one is no longer needed
   * @param inputs what each run is given
   */
  constructor(dnnl: Dnnl, regions: readonly Region[], from: number, inputs: Iterable<Cell> = []) {
    this.#dnnl = dnnl;
    this.#fed = new Map([...inputs].map(({ region }) => [region, []]));
    const of = (home: Home) => regions.filter((region) => region.home === home && !region.over);
    this.#start = inRow([...of("kept"), ...of("only")], 0);
    this.#generation = inRow(of("now"), 0);
    const places = new Map(of("now").map(({ variable, offset }) => [variable, offset]));
    for (const region of of("next")) region.offset = places.get(region.variable)!;
    const ahead = { bytes: this.#generation, regions: of("next"), from };
    const arena = of("arena").filter(({ last }) => last >= 0);
    this.bytes = this.#start + this.#generation + arrange(arena, ahead);
    this.#buffer = allocated(this.bytes + alignment);
    inLargePages(this.#buffer);
    const address = dnnl.addressOf(this.#buffer);
    this.#base = aligned(address) - address;
    this.#address = address + this.#base;
  }

  /** Where a region is in even and in odd runs. */
  #places({ home, over, offset }: Region): readonly [number, number] {
    if (over) return this.#places(over);
    if (home === "kept" || home === "only") return [offset, offset];
    const [one, other] = [this.#start + offset, this.#start + this.#generation + offset];
    if (home === "now") return [one, other];
    return offset < this.#generation ? [other, one] : [other, other];
  }

  /** The elements of a tensor, in the order in which they lie, as they are in this run. */
  view({ dtype, precision, shape, region, start = 0 }: Cell): () => TypedArray {
    this.#seen.add(region);
    const { array } = dtypes[precision === "bfloat16" ? "uint16" : dtype];
    const [even, odd] = this.#places(region).map(
      (offset) => new array(this.#buffer, this.#base + offset + start, sizeOf(shape)) as TypedArray,
    ) as [TypedArray, TypedArray];
    return even.byteOffset === odd.byteOffset ? () => even : () => (this.#turn === 0 ? even : odd);
  }

  /** The library's handle for a tensor. */
  handle(cell: Cell): Handle {
    const { region, start = 0 } = cell;
    const places = this.#places(region).map((place) => place + start) as [number, number];
    const description = cell.description ?? this.#dnnl.describe(formOf(cell));
    const handle = this.#dnnl.memory(description, this.#address + places[this.#turn]);
    if (places[0] !== places[1]) this.#moving.push({ handle, places });
    this.#fed.get(region)?.push({ handle, start });
    return handle;
  }

  /**
   * Has the library read an input where these numbers are, until it is told of others, if nothing else looks at it.
   * @returns whether it does
   */
  lend({ dtype, precision, region }: Cell, { buffer, byteOffset }: TypedArray): boolean {
    const isAsItLies = dtype === "float32" && precision !== "bfloat16" && buffer instanceof ArrayBuffer;
    if (!isAsItLies || buffer.byteLength === 0 || this.#seen.has(region)) return false;
    const address = this.#dnnl.addressOf(buffer) + byteOffset;
    for (const { handle, start } of this.#fed.get(region)!) this.#dnnl.place(handle, address + start);
    return true;
  }

  /** What variables become is what they are; what they were is kept until the next turn. */
  turn(): void {
    this.#turn = this.#turn === 0 ? 1 : 0;
    for (const { handle, places } of this.#moving) this.#dnnl.place(handle, this.#address + places[this.#turn]);
  }
}

/** @throws StriateError when there is not as much */
function allocated(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new StriateError({
      subject: "oneDNN",
      found: `no ${formatBytes(bytes)} of memory for a program`,
      expected: "as much free",
      mend: "Use smaller inputs or batches",
      cause,
    });
  }
}

/** A copy of a tensor's elements of its own. */
export function copied(dtype: DType, elements: TypedArray): TypedArray {
  const copy = allocate(dtype, elements.length);
  (copy as Float32Array).set(elements as Float32Array);
  return copy;
}

/** A tensor in equal parts along an axis, before which there is none or only one of length 1. */
export function partsOf(cell: Cell, axis: number, count: number): readonly Cell[] {
  if (count === 1) return [cell];
  const shape = cell.shape.map((length, each) => (each === axis ? length / count : length));
  const bytes = roomOf(cell.dtype, shape, cell.order, cell.precision);
  return Array.from({ length: count }, (_, part) => ({ ...cell, shape, start: (cell.start ?? 0) + part * bytes }));
}

/**
 * A tensor with axes of length 1 before its own, and at least two: the library has none without axes, and version 2 errs in
 * post-operations over a single one.
 */
export function widened(cell: Cell, rank = 0): Cell {
  const lead = Math.max(2, rank) - cell.shape.length;
  return lead <= 0 ? cell : { ...cell, shape: [...new Array<number>(lead).fill(1), ...cell.shape], order: "plain" };
}
