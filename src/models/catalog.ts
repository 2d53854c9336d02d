/** The networks that have a name: one row each. */
import { nearest, StriateError } from "../errors.ts";
import type { ScheduleName } from "../nn/schedules.ts";
import type { Layer } from "../nn/scope.ts";
import { lenet5 } from "./lenet.ts";
import { linesNetwork } from "./lines.ts";

/** How a network is trained when nothing else is said. */
export interface Recipe {
  readonly optimiser: "sgd" | "adam";
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly schedule: ScheduleName;
}

export interface CatalogEntry {
  readonly name: string;
  /** One line for lists. */
  readonly about: string;
  /** The shape of one input: channels, height, width. */
  readonly input: readonly [number, number, number];
  readonly classes: number;
  readonly recipe: Recipe;
  readonly layer: (options: { readonly classes: number }) => Layer;
}

const digits: Recipe = {
  optimiser: "sgd",
  batchSize: 64,
  learningRate: 0.1,
  weightDecay: 5e-4,
  schedule: "one-cycle",
};

const rows: readonly CatalogEntry[] = [
  {
    name: "lenet5",
    about: "LeNet-5 (1998): tanh and average pooling, as published",
    input: [1, 32, 32],
    classes: 10,
    recipe: digits,
    layer: lenet5,
  },
  {
    name: "lenet5-relu",
    about: "LeNet-5 with ReLU and max pooling",
    input: [1, 32, 32],
    classes: 10,
    recipe: digits,
    layer: ({ classes }) => lenet5({ classes, activation: "relu", pooling: "max" }),
  },
  {
    name: "lines",
    about: "two 9x9 kernels that tell vertical lines from horizontal ones",
    input: [1, 64, 64],
    classes: 2,
    recipe: { optimiser: "adam", batchSize: 32, learningRate: 0.02, weightDecay: 0, schedule: "one-cycle" },
    layer: linesNetwork,
  },
];

/** Every network by its name. */
export const catalog: ReadonlyMap<string, CatalogEntry> = new Map(rows.map((row) => [row.name, row]));

/** @throws StriateError for a name that is not in the catalog, with the nearest that is */
export function catalogEntry(name: string): CatalogEntry {
  const entry = catalog.get(name);
  if (entry) return entry;
  const likely = nearest(name, catalog.keys());
  throw new StriateError({
    subject: "model",
    found: `"${name}"`,
    expected: `one of ${[...catalog.keys()].join(", ")}, an .onnx file or a run folder`,
    mend: likely && `Did you mean "${likely}"?`,
  });
}
