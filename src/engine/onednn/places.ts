/** Where the bytes of a program lie: what is not needed at the same time shares places. */
import type { Region } from "./memory.ts";

/** Bytes that every tensor's place is a multiple of. */
export const alignment = 64;
export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Bytes ahead of the others that have their uses, and are free at other times. */
export interface Ahead {
  readonly bytes: number;
  /** Those that have places in it. */
  readonly regions: readonly Region[];
  /** The first step at which what is free of it may be used. */
  readonly from: number;
}

const nothing: Ahead = { bytes: 0, regions: [], from: 0 };

/** How long a region lives, in steps. */
const life = ({ first, last }: Region): number => last - first + 1;

/** The orders in which regions are placed: none is the best for all programs. */
const orders: readonly ((one: Region, other: Region) => number)[] = [
  (one, other) => other.bytes - one.bytes || one.first - other.first,
  (one, other) => life(other) - life(one) || other.bytes - one.bytes,
  (one, other) => life(other) * other.bytes - life(one) * one.bytes,
];

/**
 * Gives every region a place that no other region which lives at the same time has: the largest first, or the longest lived,
 * or by both, whichever takes the fewest bytes; each in the lowest gap that holds it, ahead or after that.
 * @returns the bytes that they take together, those ahead included
 */
export function arrange(regions: readonly Region[], ahead: Ahead = nothing): number {
  const tried = orders.map((order) => placed(regions.toSorted(order), ahead));
  const best = tried.reduce((least, each) => (each.end < least.end ? each : least));
  for (const [region, offset] of best.offsets) region.offset = offset;
  return best.end;
}

/** Places regions one after the other, each in the lowest gap that holds it. */
function placed(regions: readonly Region[], ahead: Ahead): { offsets: ReadonlyMap<Region, number>; end: number } {
  const offsets = new Map<Region, number>();
  /** Those that have places, the lowest first. */
  const taken: { readonly region: Region; readonly from: number; readonly to: number }[] = [];
  const take = (region: Region, from: number) => {
    const at = taken.findIndex((other) => other.from > from);
    taken.splice(at < 0 ? taken.length : at, 0, { region, from, to: from + aligned(region.bytes) });
  };
  for (const region of ahead.regions) take(region, region.offset);
  let end = ahead.bytes;
  for (const region of regions) {
    const { first, last } = region;
    const bytes = aligned(region.bytes);
    const gapFrom = (start: number): number => {
      let offset = start;
      for (const { region: other, from, to } of taken) {
        if (from - offset >= bytes) break;
        if (other.first <= last && first <= other.last && to > offset) offset = to;
      }
      return offset;
    };
    const early = first < ahead.from ? ahead.bytes : gapFrom(0);
    const offset = early + bytes <= ahead.bytes ? early : gapFrom(ahead.bytes);
    offsets.set(region, offset);
    take(region, offset);
    end = Math.max(end, offset + bytes);
  }
  return { offsets, end };
}

/** Places regions one after the other. */
export function inRow(regions: Iterable<Region>, from: number): number {
  let end = from;
  for (const region of regions) {
    region.offset = end;
    end += aligned(region.bytes);
  }
  return end;
}

/** The bytes of those regions that live at the time when they are most: what no arrangement can do without. */
export function mostAtOnce(regions: readonly Region[]): number {
  const changes = regions.flatMap(({ bytes, first, last }) => [
    { at: first, by: aligned(bytes) },
    { at: last + 1, by: -aligned(bytes) },
  ]);
  let [now, most] = [0, 0];
  for (const { by } of changes.sort((one, other) => one.at - other.at || one.by - other.by)) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}
