/** The running example from end to end: train, look, leave the domain, fool, mend. Chapter, section 1.4. */
import { predictFooling, spectrum } from "../analyse/frequency.ts";
import type { Dataset } from "../data/dataset.ts";
import { linesImages, lineThickness } from "../data/lines.ts";
import { asDataset, type OrientedImages, orientations, orientedPreprocessing, orientedSize } from "../data/oriented.ts";
import type { EngineOptions } from "../engine/choose.ts";
import { type ProgramReport, reportTogether } from "../engine/engine.ts";
import { StriateError } from "../errors.ts";
import { linesNetwork, linesTemperature } from "../models/lines.ts";
import type { Model } from "../models/model.ts";
import { adam } from "../nn/optimisers.ts";
import { warmCosine } from "../nn/schedules.ts";
import type {
  KindResult,
  LabelledImage,
  LearnedKernel,
  LearnedNetwork,
  LinesPart,
  LinesStudy,
  SweepPoint,
  TrainingHistory,
} from "../report/lines-study.ts";
import { modulate } from "../stress/modulation.ts";
import { outOfDomain, outOfDomainKinds } from "../stress/out-of-domain.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { StepEvent } from "../train/fit.ts";
import { follow } from "../train/follow.ts";
import { Run } from "../train/run.ts";
import { fitFromStarts } from "../train/starts.ts";
import { Classifier, type ImageSource, modulated, sourceOf } from "./lines-measure.ts";
import { fullScale, type LinesEvent, type LinesScale, type Part, sweepFrequencies, Tracker } from "./lines-progress.ts";

export interface LinesStudyOptions extends EngineOptions {
  readonly seed: number;
  /** All of it unless given: less for a quick look. */
  readonly scale?: LinesScale;
}

/** The study's figures and its two networks. */
export interface LinesOutcome extends LinesStudy {
  readonly mendedBand: readonly [low: number, high: number];
  readonly models: Readonly<Record<Part, Model>>;
  readonly ranOn: ProgramReport;
}

/** Where modulation is looked for and trained against: slow enough to look like texture on a line, cycles a pixel. */
const band = [1 / 16, 1 / 4] as const;

/** The chapter's cos(pi n / 3). */
const chapterFrequency = 1 / 6;

/** A validation loss that only networks have whose two kernels look the same way. */
const stuckLoss = 0.05;

/** Height and width of the network's kernels. */
const kernelSide = 9;

const batchSize = 32;

/** How many images the report shows of the training set. */
const sampleCount = 16;

/** Steps whose loss and accuracy make one point of a curve. */
const stretch = 25;

/**
 * Makes images of lines, trains the chapter's network on them, measures it on test images, on images from outside its
 * domain and on modulated lines, mends it by training with modulated lines, and measures again.
 * @throws StriateError (from `result`) when it was stopped, after the event that holds what was trained until then
 */
export function linesStudy({ seed, scale = fullScale, ...engine }: LinesStudyOptions): Run<LinesEvent, LinesOutcome> {
  return new Run((emit, signal) => new Study(seed, engine, scale, new Tracker(scale, emit), signal).run());
}

/** What a network is trained on and judged by. */
interface Lesson {
  readonly train: Dataset;
  readonly validation: Dataset;
}

class Study {
  readonly #seed: number;
  readonly #engine: EngineOptions;
  readonly #scale: LinesScale;
  readonly #tracker: Tracker;
  readonly #signal: AbortSignal;
  readonly #reports: ProgramReport[] = [];

  constructor(seed: number, engine: EngineOptions, scale: LinesScale, tracker: Tracker, signal: AbortSignal) {
    this.#seed = seed;
    this.#engine = engine;
    this.#scale = scale;
    this.#tracker = tracker;
    this.#signal = signal;
  }

  async run(): Promise<LinesOutcome> {
    const start = performance.now();
    await this.#tracker.stage("before", "images");
    const train = this.#lines("train", this.#scale.train);
    const validation = this.#lines("validation", this.#scale.validation);
    const test = this.#lines("test", this.#scale.test);
    const horizontal = sourceOf(
      test,
      test.labels.map((_, index) => index).filter((index) => test.labels[index] === 1),
    );
    const random = new Random(this.#seed, "phases");
    const phases = Float64Array.from({ length: horizontal.count }, () => random.uniform(0, 2 * Math.PI));

    const lesson = { train: asDataset("lines", train), validation: asDataset("lines", validation) };
    const first = await this.#train("before", lesson);
    const network = networkOf(first.model);
    const { frequency, curve } = predictFooling(
      {
        kernels: network.kernels.map(({ weights }) => ({ values: weights, height: kernelSide, width: kernelSide })),
        opposition: [0, 1].map((channel) => network.weights[0][channel]! - network.weights[1][channel]!),
      },
      { thicknesses: range(lineThickness.least, lineThickness.most), band },
    );
    const measure = (part: Part, model: Model) =>
      this.#measure(part, model, { test: sourceOf(test), horizontal, frequency, phases });
    const before = { history: first.history, network, ...(await measure("before", first.model)) };

    await this.#tracker.stage("after", "images");
    const second = await this.#train("after", this.#mend(train, validation));
    const after = {
      history: second.history,
      network: networkOf(second.model),
      ...(await measure("after", second.model)),
    };

    const shown = strongest(horizontal);
    const plain = (horizontal.batch(shown, shown + 1).data as Float32Array).slice();
    const moved = modulated(horizontal, frequency, phases).batch(shown, shown + 1).data as Float32Array;
    return {
      seed: this.#seed,
      predictedFrequency: frequency,
      mendedBand: band,
      prediction: curve,
      trainingSamples: samplesOf(sourceOf(train)),
      spectra: {
        plain: { pixels: plain, spectrum: spectrumOf(plain, orientedSize) },
        modulated: { pixels: moved, spectrum: spectrumOf(moved, orientedSize) },
      },
      before,
      after,
      seconds: (performance.now() - start) / 1000,
      models: { before: first.model, after: second.model },
      ranOn: reportTogether(this.#reports as [ProgramReport]),
    };
  }

  #lines(split: string, count: number): OrientedImages {
    return linesImages({ seed: this.#seed, split, count });
  }

  /** Plain lines and modulated ones, mixed; validation half and half. */
  #mend(train: OrientedImages, validation: OrientedImages): Lesson {
    const more = this.#modulatedLines("mend", this.#scale.mend);
    const moreValidation = this.#modulatedLines("mend validation", this.#scale.validation);
    const order = new Random(this.#seed, "mend", "order").permutation(train.labels.length + more.labels.length);
    return {
      train: asDataset("lines, some modulated", joined(train, more, order)),
      validation: asDataset("lines, half modulated", joined(validation, moreValidation)),
    };
  }

  /** New lines, each modulated along itself: the vertical ones along the rows, the horizontal ones along the columns. */
  #modulatedLines(split: string, count: number): OrientedImages {
    const { images, labels } = this.#lines(split, count);
    const random = new Random(this.#seed, split, "modulation");
    const frequency = Float64Array.from(labels, () => random.uniform(...band));
    const phase = Float64Array.from(labels, () => random.uniform(0, 2 * Math.PI));
    const along = Array.from(labels, (label) => (label === 1 ? ("columns" as const) : ("rows" as const)));
    return { images: modulate(images, { frequency, phase, along }), labels };
  }

  async #train(part: Part, { train, validation }: Lesson): Promise<{ model: Model; history: TrainingHistory }> {
    const { starts, probe, epochs } = this.#scale[part];
    const run = fitFromStarts(linesNetwork(), train, {
      validation,
      starts,
      probe,
      epochs,
      limit: stuckLoss,
      batchSize,
      optimiser: adam(),
      learningRate: 0.02,
      schedule: warmCosine(),
      seed: new Random(this.#seed, "training", part).bits(),
      name: part === "before" ? "lines" : "lines-mended",
      ...this.#engine,
    });
    const steps = new Map<number, StepEvent[]>();
    await this.#tracker.stage(part, "starts");
    const result = await follow(run, this.#signal, async (event) => {
      if (event.kind === "attempt") steps.set(event.attempt, []);
      if (event.kind === "training" && event.event.kind === "step") steps.get(event.attempt)!.push(event.event);
      await this.#tracker.training(part, event);
    });
    this.#reports.push(result.ranOn);
    const model = result.model.with({ preprocessing: orientedPreprocessing, classes: orientations });
    await this.#tracker.trained(part, model, result.stopped);
    this.#checkStopped();
    const validated = result.history.map(({ epoch, validation }) => ({
      step: epoch * Math.floor(train.count / batchSize),
      loss: validation!.loss,
      accuracy: validation!.top1,
    }));
    const { starts: tried, restarts } = result;
    const curve = condensed(steps.get(result.attempt)!);
    return { model, history: { starts: tried, restarts, steps: curve, validation: validated } };
  }

  async #measure(part: Part, model: Model, { test, horizontal, frequency, phases }: Exam): Promise<Measurements> {
    const classifier = await Classifier.open(model, this.#engine);
    /** Passes on the progress of one of several series of images, of which `before` of `total` images are done. */
    const progress =
      (before = 0, total?: number) =>
      async (done: number, count: number) => {
        this.#checkStopped();
        await this.#tracker.classified(before + done, total ?? count);
      };
    try {
      await this.#tracker.stage(part, "test");
      const tested = await classifier.test(test, progress());

      await this.#tracker.stage(part, "out of domain");
      const kinds: KindResult[] = [];
      const { kind: count, sweep: few } = this.#scale;
      for (const { name, about } of outOfDomainKinds) {
        const source = sourceOf(outOfDomain(name, { seed: this.#seed, count }));
        const measured = progress(kinds.length * count, outOfDomainKinds.length * count);
        kinds.push(await classifier.kind(name, about, source, measured));
      }

      await this.#tracker.stage(part, "modulation");
      const { count: all } = horizontal;
      const total = 2 * all + sweepFrequencies.length * few;
      const still = new Float64Array(all);
      const chapter = await classifier.modulation(horizontal, chapterFrequency, still, progress(0, total));
      const predicted = await classifier.modulation(horizontal, frequency, phases, progress(all, total));
      const sweep: SweepPoint[] = [];
      for (const each of sweepFrequencies) {
        const source = { ...horizontal, count: Math.min(few, all) };
        const measured = progress(2 * all + sweep.length * few, total);
        const { accuracy } = await classifier.modulation(source, each, phases, measured);
        sweep.push({ frequency: each, accuracy });
      }
      return { test: tested, outOfDomain: kinds, chapter, modulated: predicted, sweep };
    } finally {
      this.#reports.push(await classifier.report());
      await classifier.close();
    }
  }

  #checkStopped(): void {
    if (this.#signal.aborted)
      throw new StriateError({ subject: "lines", found: "the study was stopped before its end" });
  }
}

/** What both networks are measured on. */
interface Exam {
  readonly test: ImageSource;
  /** Those of the test images that are horizontal, and for each the phase of its modulation. */
  readonly horizontal: ImageSource;
  readonly phases: Float64Array;
  readonly frequency: number;
}

type Measurements = Omit<LinesPart, "history" | "network">;

const samplesOf = (source: ImageSource): LabelledImage[] =>
  range(0, Math.min(sampleCount, source.count) - 1).map((index) => ({
    pixels: source.batch(index, index + 1).data as Float32Array,
    label: source.labelOf(index),
  }));

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** The images of both, one after the other or in the order given. */
function joined(one: OrientedImages, other: OrientedImages, order?: Uint32Array): OrientedImages {
  const count = one.labels.length + other.labels.length;
  const row = one.images.size / one.labels.length;
  const data = new Float32Array(count * row);
  const labels = new Int32Array(count);
  for (let position = 0; position < count; position++) {
    const index = order?.[position] ?? position;
    const [from, place] = index < one.labels.length ? [one, index] : [other, index - one.labels.length];
    data.set((from.images.data as Float32Array).subarray(place * row, (place + 1) * row), position * row);
    labels[position] = from.labels[place]!;
  }
  return { images: new Tensor("float32", [count, ...one.images.shape.slice(1)], data), labels };
}

/** Means over stretches of steps, at the last step of each. */
function condensed(steps: readonly StepEvent[]): TrainingHistory["steps"] {
  const stretches: { step: number; loss: number; accuracy: number }[] = [];
  for (let from = 0; from < steps.length; from += stretch) {
    const part = steps.slice(from, from + stretch);
    const mean = (value: (event: StepEvent) => number) =>
      part.reduce((sum, event) => sum + value(event), 0) / part.length;
    const loss = mean((event) => event.loss);
    stretches.push({ step: part.at(-1)!.step, loss, accuracy: mean((event) => event.accuracy) });
  }
  return stretches;
}

const spectrumOf = (pixels: Float32Array, side: number): Float32Array =>
  spectrum({ values: pixels, height: side, width: side }, { height: orientedSize, width: orientedSize });

/** What a network has learned, taken out of its weights. */
function networkOf({ variables }: Model): LearnedNetwork {
  const numbers = (name: string) => variables.get(name)!.numbers as Float32Array;
  const kernelSize = kernelSide ** 2;
  const kernel = (channel: number): LearnedKernel => {
    const weights = numbers("conv1.weight").slice(channel * kernelSize, (channel + 1) * kernelSize);
    return { weights, spectrum: spectrumOf(weights, kernelSide) };
  };
  const [w00, w01, w10, w11] = numbers("fc1.weight") as unknown as readonly [number, number, number, number];
  const [vertical, horizontal] = numbers("fc1.bias") as unknown as readonly [number, number];
  return {
    kernels: [kernel(0), kernel(1)],
    weights: [
      [w00, w01],
      [w10, w11],
    ],
    bias: [vertical, horizontal],
    temperature: linesTemperature,
  };
}

/** Of the first images, the one with most contrast: its spectrum is the plainest to see. */
function strongest({ batch, count }: ReturnType<typeof sourceOf>): number {
  const energies = Array.from({ length: Math.min(16, count) }, (_, index) =>
    (batch(index, index + 1).data as Float32Array).reduce((sum, value) => sum + value * value, 0),
  );
  return energies.indexOf(Math.max(...energies));
}
