/** How far the study of the running example has come, as events. */

import type { Model } from "../models/model.ts";
import { outOfDomainKinds } from "../stress/out-of-domain.ts";
import type { FitEvent } from "../train/fit.ts";
import type { StartsEvent, StuckEvent } from "../train/starts.ts";

/** How much of everything there is. */
export interface LinesScale {
  /** Images for training, for judging starts, and for the test. */
  readonly train: number;
  readonly validation: number;
  readonly test: number;
  /** Modulated images that the mend adds to those for training. */
  readonly mend: number;
  /** Images of each kind from outside the domain, and at each frequency of the sweep. */
  readonly kind: number;
  readonly sweep: number;
  readonly before: TrainingScale;
  readonly after: TrainingScale;
}

export interface TrainingScale {
  /** Random starts, the images that each is tried on, and epochs over all images for the best. */
  readonly starts: number;
  readonly probe: number;
  readonly epochs: number;
}

/** The study as it is reported. */
export const fullScale: LinesScale = {
  train: 8000,
  validation: 1000,
  test: 10_000,
  mend: 4000,
  kind: 1000,
  sweep: 500,
  before: { starts: 6, probe: 2000, epochs: 6 },
  after: { starts: 4, probe: 4000, epochs: 8 },
};

/** The first network, and the one that is trained with modulated lines too. */
export type Part = "before" | "after";

export type Stage = "images" | "starts" | "training" | "test" | "out of domain" | "modulation";

/** Numbers of starts, attempts, epochs and steps count from 1. */
export type LinesEvent =
  | { readonly kind: "stage"; readonly part: Part; readonly stage: Stage }
  | ProgressEvent
  | {
      readonly kind: "start";
      readonly part: Part;
      readonly start: number;
      readonly starts: number;
      readonly validationLoss: number;
    }
  | {
      readonly kind: "epoch";
      readonly part: Part;
      readonly epoch: number;
      readonly epochs: number;
      /** Of training, means over the epoch. */
      readonly loss: number;
      readonly accuracy: number;
      readonly validation: { readonly loss: number; readonly accuracy: number };
    }
  | (StuckEvent & { readonly part: Part })
  | {
      readonly kind: "trained";
      readonly part: Part;
      readonly model: Model;
      /** True where training was stopped before its end. */
      readonly stopped: boolean;
    };

export interface ProgressEvent {
  readonly kind: "progress";
  readonly part: Part;
  readonly stage: Stage;
  /** Of the stage. */
  readonly step: number;
  readonly steps: number;
  /** Of the step's batch, where it was one of training. */
  readonly loss?: number;
  readonly accuracy?: number;
  readonly imagesPerSecond: number;
  /** How much of the study is done, 0 to 1, and the seconds that the rest will take, both estimated. */
  readonly done: number;
  readonly secondsLeft: number;
}

/** Every frequency of the sweep, cycles a pixel: k / 32. */
export const sweepFrequencies: readonly number[] = Array.from({ length: 17 }, (_, k) => k / 32);

/** How many times as long an image takes in training as in a test, about. */
const trainingCost = 3;

/** About how long each stage takes, in images classified. */
function costsOf(scale: LinesScale): Readonly<Record<Part, Readonly<Record<Stage, number>>>> {
  const horizontal = Math.floor(scale.test / 2);
  const costs = (images: number, { starts, probe, epochs }: TrainingScale) => ({
    images: images / 2,
    starts: trainingCost * starts * probe,
    training: trainingCost * epochs * images,
    test: scale.test,
    "out of domain": outOfDomainKinds.length * scale.kind,
    modulation: 2 * horizontal + sweepFrequencies.length * scale.sweep,
  });
  return { before: costs(scale.train, scale.before), after: costs(scale.train + scale.mend, scale.after) };
}

/** Turns what happens into the study's events. */
export class Tracker {
  readonly #emit: (event: LinesEvent) => Promise<void>;
  readonly #costs: ReturnType<typeof costsOf>;
  readonly #start = performance.now();
  #total: number;
  #done = 0;
  #current: { readonly part: Part; readonly stage: Stage; readonly cost: number; readonly start: number } | undefined;
  readonly #seen = new Set<string>();

  constructor(scale: LinesScale, emit: (event: LinesEvent) => Promise<void>) {
    this.#emit = emit;
    this.#costs = costsOf(scale);
    const costs = Object.values(this.#costs).flatMap((stages) => Object.values(stages));
    this.#total = costs.reduce((sum, cost) => sum + cost, 0);
  }

  /** The stage before ends; a stage that comes again (another attempt) makes the whole longer. */
  async stage(part: Part, stage: Stage): Promise<void> {
    this.#done += this.#current?.cost ?? 0;
    const cost = this.#costs[part][stage];
    if (this.#seen.has(`${part} ${stage}`)) this.#total += cost;
    this.#seen.add(`${part} ${stage}`);
    this.#current = { part, stage, cost, start: performance.now() };
    await this.#emit({ kind: "stage", part, stage });
    // Listeners are called, and pages drawn, before work that keeps this thread busy.
    await new Promise((resolve) => setTimeout(resolve));
  }

  /** The stage is at `step` of `steps`. */
  async progress(step: number, steps: number, facts: Pick<ProgressEvent, "imagesPerSecond" | "loss" | "accuracy">) {
    const { part, stage, cost } = this.#current!;
    const done = Math.min(1, (this.#done + (cost * step) / steps) / this.#total);
    const secondsLeft = ((performance.now() - this.#start) / 1000 / done) * (1 - done);
    await this.#emit({ kind: "progress", part, stage, step, steps, ...facts, done, secondsLeft });
  }

  /** Progress of a stage that classifies images. */
  classified(done: number, count: number): Promise<void> {
    const imagesPerSecond = (1000 * done) / (performance.now() - this.#current!.start);
    return this.progress(done, count, { imagesPerSecond });
  }

  async training(part: Part, event: StartsEvent): Promise<void> {
    if (event.kind === "attempt") await this.stage(part, "training");
    else if (event.kind === "stuck") await this.#emit({ ...event, part });
    else if (event.kind === "probed") await this.#emit({ ...event, kind: "start", part });
    else if (event.kind === "probing") await this.#fit(part, event.event, event.start, event.starts);
    else await this.#fit(part, event.event);
  }

  /** An event of training: of one of several probes, or of the training proper. */
  async #fit(part: Part, event: FitEvent, probe = 1, probes?: number): Promise<void> {
    if (event.kind === "step") {
      const { step, steps, loss, accuracy, imagesPerSecond } = event;
      await this.progress((probe - 1) * steps + step, (probes ?? 1) * steps, { loss, accuracy, imagesPerSecond });
    } else if (probes === undefined) {
      const { epoch, epochs, loss, top1, validation } = event;
      const measured = { loss: validation!.loss, accuracy: validation!.top1 };
      await this.#emit({ kind: "epoch", part, epoch, epochs, loss, accuracy: top1, validation: measured });
    }
  }

  trained(part: Part, model: Model, stopped: boolean): Promise<void> {
    return this.#emit({ kind: "trained", part, model, stopped });
  }
}
