/** The order of a program's steps: that of the graph, but what frees memory comes as soon as it can. */
import type { Region } from "./memory.ts";
import type { Step } from "./step.ts";

/** The most steps that are looked ahead: a weight's gradient, its arrangement and its updates are fewer. */
const furthest = 8;

/** Which steps each one has to wait for: those that wrote what it touches, and those that read what it writes. */
function waitsOf(steps: readonly Step[]): readonly ReadonlySet<number>[] {
  const writer = new Map<Region, number>();
  const readers = new Map<Region, number[]>();
  return steps.map(({ touches, writes }, index) => {
    const waits = new Set<number>();
    for (const region of touches) {
      const written = writer.get(region);
      if (written !== undefined) waits.add(written);
      if (!writes.includes(region)) readers.set(region, [...(readers.get(region) ?? []), index]);
      else for (const reader of readers.get(region) ?? []) waits.add(reader);
    }
    for (const region of writes) {
      writer.set(region, index);
      readers.delete(region);
    }
    waits.delete(index);
    return waits;
  });
}

/**
 * Brings steps forward after which, or after what only waited for them, no more memory is taken than before: a gradient of
 * weights and their update come when the layer's output gradient is there, not when all gradients are.
 * @param before the steps that are made before these
 */
export function freeingEarly(before: readonly Step[], steps: readonly Step[]): Step[] {
  const waits = waitsOf(steps);
  const touching = new Map<Region, number[]>();
  steps.forEach(({ touches }, index) => {
    for (const region of new Set(touches)) {
      const others = touching.get(region) ?? [];
      others.push(index);
      touching.set(region, others);
    }
  });
  const left = new Map([...touching].map(([region, indices]) => [region, indices.length]));
  const alive = new Set(before.flatMap(({ touches }) => touches));
  const done = new Set<number>();
  const order: Step[] = [];

  const missing = waits.map(({ size }) => size);
  const followers = steps.map((): number[] => []);
  waits.forEach((each, index) => {
    for (const earlier of each) followers[earlier]!.push(index);
  });
  const isReady = (index: number, also: readonly number[]): boolean =>
    !done.has(index) &&
    !also.includes(index) &&
    missing[index] === also.reduce((count, each) => count + (waits[index]!.has(each) ? 1 : 0), 0);
  /** The steps for which something changes when this one is made. */
  const after = (index: number): number[] => {
    const shared = steps[index]!.touches.filter(({ home }) => home === "arena");
    return [...followers[index]!, ...shared.flatMap((region) => touching.get(region)!)];
  };
  /** The bytes that these steps, made now, take more than they free. */
  const taken = (indices: readonly number[]): number => {
    const touched = indices.flatMap((index) => [...new Set(steps[index]!.touches)]);
    let bytes = 0;
    for (const region of new Set(touched)) {
      if (region.home !== "arena") continue;
      const isLast = touched.filter((each) => each === region).length === left.get(region);
      bytes += (isLast ? 0 : region.bytes) - (alive.has(region) ? region.bytes : 0);
    }
    return bytes;
  };
  /** A step that is ready, with as many of those that then are as it takes to free what it takes. */
  const freeing = (index: number): readonly number[] | undefined => {
    const together = [index];
    while (taken(together) > 0) {
      const next = followers[together.at(-1)!]!.find((each) => isReady(each, together));
      if (next === undefined || together.length === furthest) return undefined;
      together.push(next);
    }
    return together;
  };
  const make = (index: number) => {
    order.push(steps[index]!);
    done.add(index);
    for (const follower of followers[index]!) missing[follower]! -= 1;
    for (const region of new Set(steps[index]!.touches)) {
      left.set(region, left.get(region)! - 1);
      alive.add(region);
    }
  };

  for (const first of steps.keys()) {
    if (done.has(first)) continue;
    make(first);
    const near = new Set(after(first));
    for (let found: readonly number[] | undefined = []; found; ) {
      found = undefined;
      for (const index of near) {
        if (done.has(index) || !isReady(index, [])) near.delete(index);
        else found ??= freeing(index);
      }
      for (const index of found ?? []) {
        make(index);
        for (const each of after(index)) near.add(each);
      }
    }
  }
  return order;
}
