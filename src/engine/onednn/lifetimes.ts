/** When the bytes of a program are needed, and which of them can lie where others did. */
import type { Cell, Region } from "./memory.ts";
import { freeingEarly } from "./order.ts";
import type { Step } from "./step.ts";

/** What is to be placed. */
interface Course {
  readonly regions: readonly Region[];
  /** Steps that are made once, and those of every run. */
  readonly prepared: Step[];
  readonly steps: Step[];
  /** Of the steps, those that the outputs need: what they make is looked at when these are done. */
  readonly untilOutputs: number;
  /** Set before each run. */
  readonly inputs: ReadonlyMap<string, Cell>;
  readonly outputs: ReadonlyMap<string, Cell>;
  /** Set once, with the constants. */
  readonly variables: ReadonlyMap<string, Cell>;
  readonly constants: readonly { readonly cell: Cell }[];
}

/**
 * Takes out the steps that neither outputs nor variables need: those that were laid out for a kernel that then could not be.
 * @returns how many of the steps that are left the outputs need
 */
export function withoutUnneeded({ regions, prepared, steps, untilOutputs, outputs }: Course): number {
  const needed = new Set([...outputs.values()].map(({ region }) => region));
  for (const region of regions) if (region.home === "next" || region.home === "only") needed.add(region);
  const isNeeded = ({ touches, writes }: Step): boolean => {
    if (!writes.some((region) => needed.has(region))) return false;
    for (const region of touches) needed.add(region);
    return true;
  };
  const left = (some: Step[]): Step[] => some.toReversed().filter(isNeeded).reverse();
  const updating = left(steps.splice(untilOutputs));
  const ofOutputs = left(steps.splice(0));
  steps.push(...ofOutputs, ...updating);
  prepared.push(...left(prepared.splice(0)));
  return ofOutputs.length;
}

/**
 * Orders the steps, and says of every region when it is first and last used, counting the steps that are made once before
 * those of a run. What is only used on the way to what is kept need not be kept: not even variables, where nothing changes
 * them (they cannot be read or written then).
 * @param changes whether runs change variables
 */
export function settle(course: Course, changes: boolean): void {
  const { regions, prepared, steps, untilOutputs, inputs, outputs, variables, constants } = course;
  steps.push(...freeingEarly(steps.slice(0, untilOutputs), steps.splice(untilOutputs)));
  const all = [...prepared, ...steps];
  for (const region of regions) [region.first, region.last] = [Number.POSITIVE_INFINITY, -1];
  const use = (region: Region, step: number) => {
    region.first = Math.min(region.first, step);
    region.last = Math.max(region.last, step);
  };
  all.forEach(({ touches }, step) => {
    for (const region of touches) use(region, step);
  });
  for (const { region } of outputs.values()) use(region, prepared.length + untilOutputs);
  const given = new Set([...variables.values(), ...constants.map(({ cell }) => cell)].map(({ region }) => region));
  for (const region of regions) {
    if (region.home !== "kept" || (given.has(region) && (changes || region.last < 0))) continue;
    if (given.has(region)) use(region, 0);
    // What no step touches was for a kernel that could not be. What is made once is kept where it was made; what is set
    // once and used by every run, where nothing else comes.
    if (region.last < 0 || (region.first < prepared.length && !(given.has(region) && region.last >= prepared.length)))
      region.home = "arena";
  }
  for (const { region } of inputs.values()) {
    region.home = "arena";
    use(region, prepared.length);
  }
  for (const region of regions) {
    const isMadeOnce = region.home === "arena" && region.first < prepared.length && region.last >= prepared.length;
    if (region.home === "next" || isMadeOnce) region.last = all.length;
  }
  overlay(all);
}

/** Where a step may write over what it reads, and nothing needs that any more, it does. */
function overlay(steps: readonly Step[]): void {
  steps.forEach(({ writes: [target], over }, step) => {
    if (target?.home !== "arena" || target.first !== step || target.over) return;
    const found = over.map((region) => region.over ?? region).find((region) => isOver(region, target, step));
    if (!found) return;
    target.over = found;
    found.last = target.last;
  });
}

const isOver = (region: Region, target: Region, step: number): boolean =>
  region.home === "arena" && region.last === step && region.bytes === target.bytes && region !== target;
