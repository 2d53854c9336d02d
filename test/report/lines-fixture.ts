/** A study made of simple numbers, for tests and for looking at the report without training anything. */
import type {
  ClassifiedImage,
  KindResult,
  LearnedKernel,
  LearnedNetwork,
  LinesPart,
  LinesStudy,
  ModulationResult,
  Orientation,
  SweepPoint,
  TrainingHistory,
} from "../../src/report/lines-study.ts";

const side = 64;

/** A number from 0 to 1 that looks random and is the same each time. */
function scatter(index: number): number {
  const value = Math.sin(index * 12.9898 + 4.1414) * 43758.5453;
  return value - Math.floor(value);
}

function image(pixel: (row: number, column: number) => number): Float32Array {
  return Float32Array.from({ length: side * side }, (_, index) => pixel(Math.floor(index / side), index % side));
}

/** Four lines of one orientation on noise; another number gives other lines. */
function lines(label: Orientation, number: number): Float32Array {
  const strokes = Array.from({ length: 4 }, (_, stroke) => {
    const draw = (what: number) => scatter(number * 100 + stroke * 10 + what);
    const from = Math.floor(draw(1) * 24);
    return { at: Math.floor(draw(0) * 60), from, to: from + 16 + draw(2) * 24, wide: 1 + Math.floor(draw(3) * 3) };
  });
  return image((row, column) => {
    const [across, along] = label === 0 ? [column, row] : [row, column];
    const stroke = strokes.find(
      ({ at, from, to, wide }) => across >= at && across < at + wide && along >= from && along < to,
    );
    return (scatter(number * 7 + row * side + column) - 0.5) * 0.3 + (stroke ? (stroke.at % 3 === 0 ? -0.7 : 0.7) : 0);
  });
}

/** The magnitude of a square image's discrete Fourier transform, zero-padded to 64 x 64, zero frequency in the middle. */
export function magnitude(values: Float32Array): Float32Array {
  const size = Math.round(Math.sqrt(values.length));
  const angles = Array.from({ length: side }, (_, index) => (2 * Math.PI * index) / side);
  const rows = new Float64Array(size * side * 2);
  for (let row = 0; row < size; row++)
    for (let u = 0; u < side; u++)
      for (let column = 0; column < size; column++) {
        const angle = angles[((u + side / 2) * column) % side]!;
        rows[(row * side + u) * 2]! += values[row * size + column]! * Math.cos(angle);
        rows[(row * side + u) * 2 + 1]! -= values[row * size + column]! * Math.sin(angle);
      }
  return image((v, u) => {
    let [real, imaginary] = [0, 0];
    for (let row = 0; row < size; row++) {
      const angle = angles[((v + side / 2) * row) % side]!;
      const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
      const [x, y] = [rows[(row * side + u) * 2]!, rows[(row * side + u) * 2 + 1]!];
      real += x * cosine + y * sine;
      imaginary += y * cosine - x * sine;
    }
    return Math.hypot(real, imaginary);
  });
}

/** A Gaussian's derivative across lines of an orientation: the first along columns for vertical ones, or the second. */
export function derivativeKernel(orientation: Orientation, order: 1 | 2): LearnedKernel {
  const weights = Float32Array.from({ length: 81 }, (_, index) => {
    const [row, column] = [Math.floor(index / 9) - 4, (index % 9) - 4];
    const [across, along] = orientation === 0 ? [column, row] : [row, column];
    const bell = Math.exp(-(across * across) / 3 - (along * along) / 9);
    return order === 1 ? -0.3 * across * bell : 0.3 * (across * across - 1.4) * bell;
  });
  return { weights, spectrum: magnitude(weights) };
}

/** An image with the probabilities of a network that is `sure` of a class. */
const classified = (pixels: Float32Array, label: Orientation, called: Orientation, sure: number): ClassifiedImage => ({
  pixels,
  label,
  probabilities: called === 0 ? [sure, 1 - sure] : [1 - sure, sure],
});

const opposite = (label: Orientation): Orientation => (label === 0 ? 1 : 0);
const eight = Array.from({ length: 8 }, (_, index) => index);
const labelOf = (index: number): Orientation => (index % 2 === 0 ? 0 : 1);
const sureness = (index: number): number => 1 - 0.4 * scatter(index) ** 3;

function modulate(pixels: Float32Array, frequency: number): Float32Array {
  return pixels.map((pixel, index) => pixel * Math.cos(2 * Math.PI * frequency * (index % side)));
}

function modulation(frequency: number, accuracy: number): ModulationResult {
  const examples = eight.map((index) =>
    classified(modulate(lines(1, index + 40), frequency), 1, index < accuracy * 8 ? 1 : 0, sureness(index)),
  );
  return { frequency, count: 2000, accuracy, examples };
}

function outOfDomain(accuracies: readonly number[]): KindResult[] {
  const kinds: readonly [string, string, (across: number, along: number, index: number) => number][] = [
    ["gratings", "sinusoids of one orientation", (across, _, index) => 0.6 * Math.sin(across * (0.3 + index * 0.1))],
    [
      "oriented noise",
      "noise smoothed along one direction",
      (across, along) => scatter(across + Math.floor(along / 12) * 97) - 0.5,
    ],
    ["edges", "a step from dark to light", (across, _, index) => (across > 16 + index * 4 ? 0.5 : -0.5)],
    [
      "rows of dots",
      "dots set along lines",
      (across, along, index) => (across % (16 + index) < 3 && along % 6 < 3 ? 0.7 : -0.1),
    ],
  ];
  return kinds.map(([kind, about, pixel], place) => {
    const accuracy = accuracies[place] ?? 1;
    const examples = eight.map((index) => {
      const label = labelOf(index);
      const pixels = image((row, column) => (label === 0 ? pixel(column, row, index) : pixel(row, column, index)));
      const called = index >= Math.round(accuracy * 8) ? opposite(label) : label;
      return classified(pixels, label, called, sureness(index + place));
    });
    return { kind, about, count: 1000, accuracy, examples };
  });
}

const frequencies = Array.from({ length: 51 }, (_, index) => index / 100);

const history: TrainingHistory = {
  starts: [0.69, 0.31, 0.045, 0.68, 0.12, 0.7].map((validationLoss, index) => ({
    validationLoss,
    chosen: index === 2,
  })),
  restarts: 0,
  steps: Array.from({ length: 60 }, (_, index) => ({
    step: index * 20 + 10,
    loss: 0.6 * Math.exp(-index / 9) + 0.002 + 0.002 * scatter(index),
    accuracy: 1 - 0.4 * Math.exp(-index / 5) - 0.004 * scatter(index + 70),
  })),
  validation: Array.from({ length: 6 }, (_, index) => ({
    step: (index + 1) * 200,
    loss: 0.3 * Math.exp(-index * 1.2) + 0.0015,
    accuracy: 1 - 0.08 * Math.exp(-index * 1.4),
  })),
};

/** A network with the weights of section 1.4.2, its first channel for vertical lines. */
export const opposedNetwork = (): LearnedNetwork => ({
  kernels: [derivativeKernel(0, 1), derivativeKernel(1, 2)],
  weights: [
    [2.83, -2.36],
    [-0.6, 1.14],
  ],
  bias: [0.12, -0.12],
  temperature: 10,
});

interface PartOptions {
  readonly errors: number;
  readonly kinds: readonly number[];
  readonly modulated: number;
  readonly sweep: (frequency: number) => number;
}

function part({ errors, kinds, modulated, sweep }: PartOptions): LinesPart {
  const test = (index: number, wrong: boolean) => {
    const label = labelOf(index);
    return classified(lines(label, index), label, wrong ? opposite(label) : label, sureness(index));
  };
  const points: SweepPoint[] = frequencies.map((frequency) => ({ frequency, accuracy: sweep(frequency) }));
  return {
    history,
    network: opposedNetwork(),
    test: {
      count: 10000,
      errors,
      examples: [...eight, ...eight.map((index) => index + 8)].map((index) => test(index, false)),
      mistakes: Array.from({ length: Math.min(errors, 100) }, (_, index) => test(index + 90, true)),
    },
    outOfDomain: outOfDomain(kinds),
    chapter: modulation(1 / 6, Math.min(1, modulated + 0.125)),
    modulated: modulation(0.14, modulated),
    sweep: points,
  };
}

const valley = (middle: number, width: number) => (frequency: number) =>
  Math.min(1, Math.max(0, 1.2 - 1.3 * Math.exp(-(((frequency - middle) / width) ** 2))));

/** A whole study: a first network that is fooled at 0.14 cycles a pixel and a second that is mended from 1/16 to 1/4. */
export function syntheticStudy(changes: Partial<LinesStudy> = {}): LinesStudy {
  const plain = lines(1, 3);
  const modulated = modulate(plain, 0.14);
  return {
    seed: 1,
    predictedFrequency: 0.14,
    prediction: frequencies.map((frequency) => ({
      frequency,
      strength: 2 * Math.exp(-(((frequency - 0.14) / 0.07) ** 2)) - 0.4,
    })),
    trainingSamples: [...eight, ...eight.map((index) => index + 8)].map((index) => ({
      pixels: lines(labelOf(index), index + 20),
      label: labelOf(index),
    })),
    spectra: {
      plain: { pixels: plain, spectrum: magnitude(plain) },
      modulated: { pixels: modulated, spectrum: magnitude(modulated) },
    },
    mendedBand: [1 / 16, 1 / 4],
    before: part({ errors: 3, kinds: [0.98, 1, 0.993, 0.95], modulated: 0, sweep: valley(0.15, 0.09) }),
    after: part({ errors: 5, kinds: [0.91, 1, 0.99, 0.96], modulated: 1, sweep: valley(0.4, 0.1) }),
    seconds: 84.2,
    ...changes,
  };
}
