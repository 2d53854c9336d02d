/** A model against recorded numbers: what it answers, every gradient in both modes, every running statistic. */
import * as valibot from "valibot";
import { gradientsOf } from "../autodiff/gradient.ts";
import { compile, type EngineOptions } from "../engine/choose.ts";
import { givenLengths, type ProgramReport, reportTogether, type Tensors } from "../engine/engine.ts";
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph, trainableOf, variablesOf } from "../graph/graph.ts";
import { apply } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { training } from "../graph/training.ts";
import { inputValue, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { crossEntropy } from "../nn/losses.ts";
import { slice } from "../ops/core/arrange.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { decodeSafetensors, safetensorsMetadata } from "../tensor/safetensors.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What was recorded: tensors by name, and how far single precision is from them by the recorder's own account. */
export interface Recording {
  readonly tensors: Tensors;
  readonly deviation: Readonly<Record<string, number>>;
}

/** The kinds of recorded numbers whose worst error is told. */
export const verifiedKinds = ["logits", "dimage", "eval_grad", "grad", "buffer"] as const;

export interface Verification {
  readonly ranOn: ProgramReport;
  /** How many tensors were recorded to compare with. */
  readonly compared: number;
  /** The names of those that are not right, or that the model does not have. */
  readonly failed: readonly string[];
  /** The largest error of each kind, as a part of its scale. */
  readonly worst: Readonly<Record<(typeof verifiedKinds)[number], number>>;
  /** The error of each tensor, as a part of its scale; infinite where there is none to compare. */
  readonly errors: ReadonlyMap<string, Judged>;
}

/**
 * Recorded numbers from the bytes of a safetensors file, whose metadata `deviation` may hold JSON.
 * @throws StriateError when image, labels or logits are missing
 */
export function readRecording(bytes: Uint8Array, subject: string): Recording {
  const tensors = decodeSafetensors(bytes, subject);
  for (const name of ["image", "labels", "logits"])
    if (!tensors.has(name))
      throw new StriateError({ subject, found: `no tensor "${name}"`, expected: "image, labels and logits" });
  return { tensors, deviation: parseDeviation(safetensorsMetadata(bytes, subject).deviation, subject) };
}

function parseDeviation(text: string | undefined, subject: string): Record<string, number> {
  if (text === undefined) return {};
  try {
    return valibot.parse(valibot.record(valibot.string(), valibot.number()), JSON.parse(text));
  } catch (cause) {
    throw new StriateError({ subject, found: "a deviation that is not numbers by name", expected: "JSON", cause });
  }
}

const labelsName = "labels";
/** The logit whose gradient for the image was recorded. */
const chosenClass = 1;

/** A graph with its first input as `image`, and labels. */
interface Scored {
  readonly graph: Graph;
  readonly logits: Value;
  readonly loss: Value;
  readonly inputs: Graph["inputs"];
}

function scored(graph: Graph): Scored {
  const logits = [...graph.outputs.values()][0]!;
  const labels = inputValue(labelsName, crossEntropy.target(logits));
  return { graph, logits, loss: crossEntropy.of(logits, labels), inputs: [...graph.inputs, labels] };
}

/** The gradients of the loss for every trainable parameter, as outputs of these names. */
function parameterGradients({ graph, loss }: Scored, prefix: string): [string, Value][] {
  const parameters = trainableOf(graph);
  const gradients = gradientsOf(loss, parameters);
  return parameters.map(({ source }, index) => [`${prefix}.${source.name}`, gradients[index]!]);
}

/** By given statistics: `logits`, `dimage` (the gradient of the sum of the second class's logits), `eval_loss` and `eval_grad.<parameter>`. */
export function evaluationGraph(graph: Graph): Graph {
  const parts = scored(graph);
  const { logits, loss, inputs } = parts;
  const picked = reduceSum(slice(logits, { axis: 1, start: chosenClass, end: chosenClass + 1 }));
  const [dimage] = gradientsOf(picked, [graph.inputs[0]!]);
  return makeGraph(
    inputs,
    new Map([["logits", logits], ["dimage", dimage!], ["eval_loss", loss], ...parameterGradients(parts, "eval_grad")]),
  );
}

/**
 * By the batch's statistics, which become updates, without random numbers: `loss`, `grad.<parameter>` and, as `buffer.<name>`, the
 * running statistics afterwards.
 */
export function trainingGraph(graph: Graph): Graph {
  const calm = rewrite(graph, ({ op, attributes }, inputs) =>
    op.training && !op.statistics ? apply({ ...op, training: undefined }, inputs, attributes) : undefined,
  ).graph;
  const parts = scored(training(calm));
  return makeGraph(
    parts.inputs,
    new Map([["loss", parts.loss], ...parameterGradients(parts, "grad")]),
    parts.graph.updates,
  );
}

/** Numbers by the names in a recording, and what computed them. */
export interface Answers {
  readonly numbers: ReadonlyMap<string, Tensor>;
  readonly ranOn: ProgramReport;
}

/** The numbers of a graph, and of its statistics after the run, for the image and whatever else it takes by name. */
export async function results(graph: Graph, model: Model, tensors: Tensors, options: EngineOptions): Promise<Answers> {
  const [image, ...others] = graph.inputs;
  const feeds: Record<string, Tensor> = { [image!.source.name]: tensors.get("image")! };
  for (const { source, dtype } of others) {
    const given = tensors.get(source.name);
    if (given) feeds[source.name] = given.cast(dtype);
  }
  const dimensions = givenLengths({ ...graph, inputs: [image!] }, feeds);
  const used = new Map(variablesOf(graph).map(({ source }) => [source.name, model.variables.get(source.name)!]));
  const program = await compile(graph, used, { ...options, dimensions });
  try {
    const numbers = new Map(await program.run(feeds));
    const statistics = graph.updates.map(({ variable }) => variable.source.name);
    for (const [name, tensor] of await program.read(statistics)) numbers.set(`buffer.${name}`, tensor);
    return { numbers, ranOn: await program.report() };
  } finally {
    await program.dispose();
  }
}

const isGradient = (name: string): boolean => name === "dimage" || modeOf(name) !== undefined;

/** The mode that a parameter's gradient is of; undefined for other numbers. */
const modeOf = (name: string): string | undefined => /^(eval_grad|grad)\./.exec(name)?.[1];

const largest = (tensor: Tensor): number =>
  (tensor.numbers as Float64Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** How far a tensor is from what it should be, as a part of its scale, and how far it may be. */
export interface Judged {
  readonly error: number;
  readonly allowed: number;
}

/** The error of each recorded tensor; infinite where there is none to compare. */
export function judge({ numbers, ranOn }: Answers, { tensors, deviation }: Recording): Map<string, Judged> {
  const expected = [...tensors].filter(([name]) => name !== "image" && name !== labelsName);
  const largestOf = new Map<string | undefined, number>();
  for (const [name, tensor] of expected)
    largestOf.set(modeOf(name), Math.max(largestOf.get(modeOf(name)) ?? 0, largest(tensor)));
  return new Map(
    expected.map(([name, tensor]) => {
      const floor = modeOf(name) ? 1e-3 * largestOf.get(modeOf(name))! : 0;
      const error = errorOf(numbers.get(name), tensor, Math.max(largest(tensor), floor));
      const allowed = Math.max(isGradient(name) ? 1e-3 : 1e-4, 4 * (deviation[name] ?? 0));
      return [name, { error, allowed: ranOn.precision === "float64" ? 1e-6 : allowed }];
    }),
  );
}

/**
 * Compares a model with recorded numbers. A tensor's error is its largest difference as a part of its scale: its
 * largest magnitude, or for a parameter's gradient a thousandth of the largest one of its mode if that is more. It may
 * be 1e-6 in float64, on the reference engine; on others 1e-3 for gradients, 1e-4 for the rest, or four times the recorded
 * deviation if that is more.
 */
export async function verify(model: Model, recording: Recording, options: EngineOptions = {}): Promise<Verification> {
  const errors = new Map<string, Judged>();
  /** One mode: gradients for every parameter take as much as the model, and are let go once they were judged. */
  const compare = async (graph: Graph): Promise<ProgramReport> => {
    const answers = await results(graph, model, recording.tensors, options);
    for (const [name, judged] of judge(answers, recording))
      if (answers.numbers.has(name) || !errors.has(name)) errors.set(name, judged);
    return answers.ranOn;
  };
  const ranOn = reportTogether([
    await compare(evaluationGraph(model.graph)),
    await compare(trainingGraph(model.graph)),
  ]);
  const worstOf = (kind: string): number =>
    [...errors].reduce(
      (most, [name, { error }]) => (name === kind || name.startsWith(`${kind}.`) ? Math.max(most, error) : most),
      0,
    );
  return {
    ranOn,
    compared: errors.size,
    failed: [...errors].flatMap(([name, { error, allowed }]) => (error <= allowed ? [] : [name])),
    worst: Object.fromEntries(verifiedKinds.map((kind) => [kind, worstOf(kind)])) as Verification["worst"],
    errors,
  };
}

/**
 * Whether only gradients are over, in single precision: rounding alone can make them so, where it puts a number that is close to
 * a kink (a ReLU's 0, a maximum of nearly equal numbers) on its other side.
 */
export const mayBeRounding = ({ failed, errors, ranOn }: Verification): boolean =>
  ranOn.precision !== "float64" &&
  failed.length > 0 &&
  failed.every((name) => isGradient(name) && Number.isFinite(errors.get(name)!.error));

function errorOf(found: Tensor | undefined, expected: Tensor, scale: number): number {
  if (!found || !sameShape(found.shape, expected.shape)) return Number.POSITIVE_INFINITY;
  const [left, right] = [found.numbers, expected.numbers];
  let most = 0;
  for (let index = 0; index < left.length; index++) {
    const difference = Math.abs(left[index]! - right[index]!);
    most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference);
  }
  return most === 0 ? 0 : most / scale;
}
