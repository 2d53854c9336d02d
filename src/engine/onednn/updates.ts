/** Variables' next values: brought to where the next run looks for them. */
import type { Value } from "../../graph/value.ts";
import type { Cell, Region } from "./memory.ts";
import type { Plan } from "./plan.ts";

/** A variable's next value, apart from those that variables may be overwritten with before it is taken. */
export function nextOf(plan: Plan, next: Value): Cell {
  const source = plan.ordered(next, "plain");
  return source.region.home === "only" ? copied(plan, source, plan.region(source.region.bytes)) : source;
}

/** Brings a variable's next value to where it is looked for in the next run: it is made there, where that can be. */
export function bring(plan: Plan, name: string, source: Cell): void {
  const now = plan.variables.get(name)!;
  const { home, bytes } = now.region;
  if (home === "only") {
    if (!isMadeOver(plan, source, now.region)) copied(plan, source, now.region);
  } else if (canBecome(plan, source, bytes)) Object.assign(source.region, { home: "next", variable: name });
  else copied(plan, source, plan.region(bytes, "next", name));
}

function copied(plan: Plan, source: Cell, region: Region): Cell {
  const target: Cell = { ...source, region };
  plan.step(
    [source, target],
    (memory) => {
      const [from, to] = [memory.view(source), memory.view(target)];
      return () => (to() as Float32Array).set(from() as Float32Array);
    },
    { writes: [target] },
  );
  return target;
}

/** Whether a tensor is made after the outputs (whose numbers may yet condemn it) and has its place to itself. */
function canBecome({ steps, untilOutputs }: Plan, { region, start = 0, description }: Cell, bytes: number): boolean {
  const isEarly = steps.slice(0, untilOutputs).some(({ touches }) => touches.includes(region));
  return region.home === "arena" && start === 0 && !description && region.bytes === bytes && !isEarly;
}

/** Has the step that makes a variable's next value write it over the present one, if it is the last that needs that. */
function isMadeOver(plan: Plan, source: Cell, now: Region): boolean {
  if (!canBecome(plan, source, now.bytes)) return false;
  const { steps } = plan;
  const [index, ...others] = [...steps.keys()].filter((each) => steps[each]!.writes.includes(source.region));
  if (index === undefined || others.length > 0) return false;
  const step = steps[index]!;
  if (step.writes[0] !== source.region || !step.over.includes(now)) return false;
  if (steps.slice(index + 1).some(({ touches }) => touches.includes(now))) return false;
  // What reads the present value has to come before.
  steps[index] = { ...step, writes: [...step.writes, now] };
  Object.assign(source.region, { home: "only", over: now });
  return true;
}
