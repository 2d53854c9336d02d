/** What the running example finds: everything its report shows, as data. */

/** A 64x64 image, row-major, mid-grey 0; about -1 (dark) to 1 (light). */
export type Pixels = Float32Array;

/** 0: vertical, 1: horizontal. */
export type Orientation = 0 | 1;

export interface LabelledImage {
  readonly pixels: Pixels;
  readonly label: Orientation;
}

export interface ClassifiedImage extends LabelledImage {
  /** Of vertical and of horizontal. */
  readonly probabilities: readonly [number, number];
}

/** One kind of oriented image without lines. */
export interface KindResult {
  readonly kind: string;
  /** What such images are, in a few words: "sinusoids of one orientation". */
  readonly about: string;
  readonly count: number;
  readonly accuracy: number;
  readonly examples: readonly ClassifiedImage[];
}

export interface LearnedKernel {
  /** 9x9, row-major. */
  readonly weights: Float32Array;
  /** The magnitude of its discrete Fourier transform, zero-padded to 64x64; zero frequency in the middle (32, 32). */
  readonly spectrum: Float32Array;
}

export interface LearnedNetwork {
  readonly kernels: readonly [LearnedKernel, LearnedKernel];
  /** Weights of the fully connected layer: [class][channel]. */
  readonly weights: readonly [readonly [number, number], readonly [number, number]];
  readonly bias: readonly [number, number];
  readonly temperature: number;
}

export interface TestResult {
  readonly count: number;
  readonly errors: number;
  readonly examples: readonly ClassifiedImage[];
  /** Every image that was misclassified, up to 100. */
  readonly mistakes: readonly ClassifiedImage[];
}

/** Horizontal lines multiplied by cos(2 pi frequency n + phase) along the columns n. */
export interface ModulationResult {
  /** Cycles a pixel. */
  readonly frequency: number;
  readonly count: number;
  /** The part still called horizontal. */
  readonly accuracy: number;
  readonly examples: readonly ClassifiedImage[];
}

export interface SweepPoint {
  readonly frequency: number;
  readonly accuracy: number;
}

export interface TrainingHistory {
  /** Several random starts are tried for one epoch; the best by validation loss is trained on. */
  readonly starts: readonly { readonly validationLoss: number; readonly chosen: boolean }[];
  /** How often training went back to another start because the loss stayed high. */
  readonly restarts: number;
  /** Mean loss and accuracy of training over short stretches of steps. */
  readonly steps: readonly { readonly step: number; readonly loss: number; readonly accuracy: number }[];
  /** After each epoch, on the validation images. */
  readonly validation: readonly { readonly step: number; readonly loss: number; readonly accuracy: number }[];
}

/** One trained network and all its figures. */
export interface LinesPart {
  readonly history: TrainingHistory;
  readonly network: LearnedNetwork;
  readonly test: TestResult;
  readonly outOfDomain: readonly KindResult[];
  /** At the chapter's cos(pi n / 3). */
  readonly chapter: ModulationResult;
  /** At the frequency that the first network's kernels predict. */
  readonly modulated: ModulationResult;
  readonly sweep: readonly SweepPoint[];
}

export interface LinesStudy {
  readonly seed: number;
  /** Where the kernels' transforms say that the network is fooled, cycles a pixel. */
  readonly predictedFrequency: number;
  /** How strongly each frequency is predicted to fool it, for the curve beside the measured one; above 0: more so than not. */
  readonly prediction: readonly { readonly frequency: number; readonly strength: number }[];
  readonly trainingSamples: readonly LabelledImage[];
  /** One image of horizontal lines before and after modulation, with the magnitudes of their transforms (64x64, zero in the middle). */
  readonly spectra: {
    readonly plain: { readonly pixels: Pixels; readonly spectrum: Float32Array };
    readonly modulated: { readonly pixels: Pixels; readonly spectrum: Float32Array };
  };
  /** The lowest and highest frequency of the modulated images that the network was retrained with, cycles a pixel. */
  readonly mendedBand?: readonly [number, number];
  readonly before: LinesPart;
  /** The network retrained with modulated images. */
  readonly after: LinesPart;
  readonly seconds: number;
}
