/** What primitives that slide windows over maps, and normalise them, are asked for. */
import type { Form, Pooling } from "./dnnl.ts";

export interface Slide {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export interface ConvolutionForms extends Slide {
  readonly source: Form;
  readonly weights: Form;
  readonly bias?: Form | undefined;
  readonly result: Form;
  readonly training?: boolean;
  /** By Winograd's algorithm: with fewer products, where the library can. */
  readonly winograd?: boolean;
}

export interface PoolingForms extends Slide {
  readonly algorithm: Pooling;
  readonly kernel: readonly number[];
  readonly source: Form;
  readonly result: Form;
  readonly training: boolean;
}

export interface NormalisationForms {
  readonly source: Form;
  readonly epsilon: number;
  /** Whether a ReLU follows, in the same pass. */
  readonly relu: boolean;
  /** Whether mean and variance are given, not the batch's own. */
  readonly given?: boolean;
  /** Whether what the gradient needs is kept, as it is of the batch's own. */
  readonly forGradient?: boolean;
  /** Whether it is scaled and shifted, as it is unless this is said. */
  readonly scaled?: boolean;
}
