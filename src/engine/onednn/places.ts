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

/**
 * Gives every region a place that no other region which lives at the same time has: the largest first, each in the lowest
 * gap that holds it, ahead or after that.
 * @returns the bytes that they take together, those ahead included
 */
export function arrange(regions: readonly Region[], ahead: Ahead = nothing): number {
  const placed: Region[] = [...ahead.regions];
  let end = ahead.bytes;
  for (const region of regions.toSorted((one, other) => other.bytes - one.bytes || one.first - other.first)) {
    const bytes = aligned(region.bytes);
    const together = placed
      .filter((other) => other.first <= region.last && region.first <= other.last)
      .sort((one, other) => one.offset - other.offset);
    const gapFrom = (start: number): number => {
      let offset = start;
      for (const other of together) {
        if (other.offset - offset >= bytes) break;
        offset = Math.max(offset, other.offset + aligned(other.bytes));
      }
      return offset;
    };
    const early = region.first < ahead.from ? ahead.bytes : gapFrom(0);
    region.offset = early + bytes <= ahead.bytes ? early : gapFrom(ahead.bytes);
    placed.push(region);
    end = Math.max(end, region.offset + bytes);
  }
  return end;
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
