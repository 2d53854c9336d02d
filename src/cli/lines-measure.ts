/** What the study of the running example measures of a trained network. */
import type { OrientedImages } from "../data/oriented.ts";
import type { EngineOptions } from "../engine/choose.ts";
import type { ProgramReport } from "../engine/engine.ts";
import type { Model } from "../models/model.ts";
import type { ClassifiedImage, KindResult, ModulationResult, Orientation, TestResult } from "../report/lines-study.ts";
import { modulate } from "../stress/modulation.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Predictor } from "../train/evaluate.ts";

/** Images that are made batch by batch. */
export interface ImageSource {
  readonly count: number;
  /** Images `from` to `to` (exclusive): [to - from, 1, 64, 64], of which nothing else holds the data. */
  batch(from: number, to: number): Tensor;
  labelOf(index: number): Orientation;
}

/** The images of a set, or those of them that are listed. */
export function sourceOf({ images, labels }: OrientedImages, indices: ArrayLike<number> = labels.map((_, i) => i)) {
  const row = images.size / labels.length;
  const pixels = images.numbers as Float32Array;
  const source: ImageSource = {
    count: indices.length,
    batch: (from, to) => {
      const data = new Float32Array((to - from) * row);
      for (let index = from; index < to; index++)
        data.set(pixels.subarray(indices[index]! * row, (indices[index]! + 1) * row), (index - from) * row);
      return new Tensor("float32", [to - from, ...images.shape.slice(1)], data);
    },
    labelOf: (index) => labels[indices[index]!] as Orientation,
  };
  return source;
}

/** Images multiplied by cos(2 pi frequency n + phase) along the columns n; there may be more phases than images. */
export const modulated = (source: ImageSource, frequency: number, phases: Float64Array): ImageSource => ({
  ...source,
  batch: (from, to) => modulate(source.batch(from, to), { frequency, phase: phases.subarray(from, to) }),
});

/** How many images are classified at once. */
const batchSize = 250;

/** How many misclassified images are kept. */
const mostMistakes = 100;

/** How many examples of each kind, and of each modulation, are kept. */
const exampleCount = 8;

export type Measured = (done: number, count: number) => Promise<void>;

interface Answers {
  readonly count: number;
  readonly errors: number;
  readonly examples: readonly ClassifiedImage[];
  readonly mistakes: readonly ClassifiedImage[];
}

/** A compiled network that classifies many images. */
export class Classifier {
  readonly #predictor: Predictor;

  private constructor(predictor: Predictor) {
    this.#predictor = predictor;
  }

  static async open(model: Model, options: EngineOptions): Promise<Classifier> {
    return new Classifier(await Predictor.compile(model, options));
  }

  report(): Promise<ProgramReport> {
    return this.#predictor.report();
  }

  close(): Promise<void> {
    return this.#predictor.dispose();
  }

  /** Classifies all images; those at the first `examples` places are kept with their probabilities. */
  async classify(source: ImageSource, examples: number, measured: Measured): Promise<Answers> {
    const kept: { examples: ClassifiedImage[]; mistakes: ClassifiedImage[] } = { examples: [], mistakes: [] };
    let errors = 0;
    for (let from = 0; from < source.count; from += batchSize) {
      const to = Math.min(from + batchSize, source.count);
      const images = source.batch(from, to);
      const logits = (await this.#predictor.predict(images)).numbers;
      for (let index = from; index < to; index++) {
        const label = source.labelOf(index);
        const [vertical, horizontal] = [logits[2 * (index - from)]!, logits[2 * (index - from) + 1]!];
        const isWrong = label === 0 ? !(vertical > horizontal) : !(horizontal > vertical);
        if (isWrong) errors++;
        const isExample = index < examples;
        const isMistake = isWrong && kept.mistakes.length < mostMistakes;
        if (!isExample && !isMistake) continue;
        const probability = 1 / (1 + Math.exp(vertical - horizontal));
        const pixels = (images.slice(index - from, index - from + 1).data as Float32Array).slice();
        const image: ClassifiedImage = { pixels, label, probabilities: [1 - probability, probability] };
        if (isExample) kept.examples.push(image);
        if (isMistake) kept.mistakes.push(image);
      }
      await measured(to, source.count);
    }
    return { count: source.count, errors, ...kept };
  }

  /** The network on test images. */
  async test(source: ImageSource, measured: Measured): Promise<TestResult> {
    return this.classify(source, 2 * exampleCount, measured);
  }

  /** The network on one kind of image from outside its domain. */
  async kind(kind: string, about: string, source: ImageSource, measured: Measured): Promise<KindResult> {
    const { count, errors, examples } = await this.classify(source, exampleCount, measured);
    return { kind, about, count, accuracy: (count - errors) / count, examples };
  }

  /** The network on images modulated at one frequency. */
  async modulation(
    source: ImageSource,
    frequency: number,
    phases: Float64Array,
    measured: Measured,
  ): Promise<ModulationResult> {
    const answers = await this.classify(modulated(source, frequency, phases), exampleCount, measured);
    const { count, errors, examples } = answers;
    return { frequency, count, accuracy: (count - errors) / count, examples };
  }
}
