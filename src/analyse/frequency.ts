/** Images and kernels in the Fourier domain, and what the kernels' spectra foretell. Chapter, sections 1.4.2 and 1.4.4. */
import FFT from "fft.js";
import { StriateError } from "../errors.ts";

/** A matrix of real numbers, row-major. */
export interface Matrix {
  readonly values: ArrayLike<number>;
  readonly height: number;
  readonly width: number;
}

/** A complex matrix, row-major: the discrete Fourier transform at row frequency v / height and column frequency u / width. */
export interface Transform {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
  readonly height: number;
  readonly width: number;
}

export interface TransformOptions {
  /** Zeros are added after the last row and column up to this many; powers of two. */
  readonly height: number;
  readonly width: number;
}

const isPowerOfTwo = (length: number): boolean => Number.isInteger(Math.log2(length)) && length >= 2;

/**
 * The two-dimensional discrete Fourier transform of a matrix that zeros extend to height x width:
 * X[v, u] = sum over m, n of x[m, n] exp(-2 pi i (v m / height + u n / width)), cycles a pixel v / height and u / width.
 *
 * @throws StriateError when a length is not a power of two, or is less than the matrix's
 *
 * @example
 * import { fourierTransform } from "striate";
 *
 * const { real } = fourierTransform({ values: [1, 2, 3, 4], height: 2, width: 2 }, { height: 2, width: 2 });
 * console.assert(real.join() === "10,-2,-4,0");
 */
export function fourierTransform(matrix: Matrix, { height, width }: TransformOptions): Transform {
  for (const [name, length, least] of [
    ["height", height, matrix.height],
    ["width", width, matrix.width],
  ] as const)
    if (!isPowerOfTwo(length) || length < least)
      throw new StriateError({
        subject: `fourierTransform.${name}`,
        found: `${length} for a matrix of ${matrix.height}x${matrix.width}`,
        expected: `a power of two of at least ${Math.max(2, least)}`,
      });
  const rows = new FFT(width);
  const columns = new FFT(height);
  const [rowIn, rowOut] = [rows.createComplexArray(), rows.createComplexArray()];
  const [columnIn, columnOut] = [columns.createComplexArray(), columns.createComplexArray()];
  const real = new Float64Array(height * width);
  const imaginary = new Float64Array(height * width);
  for (let row = 0; row < matrix.height; row++) {
    for (let column = 0; column < width; column++) {
      rowIn[2 * column] = column < matrix.width ? matrix.values[row * matrix.width + column]! : 0;
      rowIn[2 * column + 1] = 0;
    }
    rows.transform(rowOut, rowIn);
    for (let column = 0; column < width; column++) {
      real[row * width + column] = rowOut[2 * column]!;
      imaginary[row * width + column] = rowOut[2 * column + 1]!;
    }
  }
  for (let column = 0; column < width; column++) {
    for (let row = 0; row < height; row++) {
      columnIn[2 * row] = real[row * width + column]!;
      columnIn[2 * row + 1] = imaginary[row * width + column]!;
    }
    columns.transform(columnOut, columnIn);
    for (let row = 0; row < height; row++) {
      real[row * width + column] = columnOut[2 * row]!;
      imaginary[row * width + column] = columnOut[2 * row + 1]!;
    }
  }
  return { real, imaginary, height, width };
}

/**
 * The magnitudes of a matrix's discrete Fourier transform, zero frequency in the middle (height / 2, width / 2): what
 * pictures of spectra show.
 *
 * @throws StriateError as `fourierTransform` does
 */
export function spectrum(matrix: Matrix, options: TransformOptions): Float32Array {
  const { real, imaginary, height, width } = fourierTransform(matrix, options);
  const centred = new Float32Array(height * width);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [v, u] = [(row + height / 2) % height, (column + width / 2) % width];
      centred[row * width + column] = Math.hypot(real[v * width + u]!, imaginary[v * width + u]!);
    }
  return centred;
}

/** A network of kernels, ReLU, global average pooling and a fully connected layer, as the chapter's. */
export interface OrientationReadout {
  readonly kernels: readonly Matrix[];
  /** For each kernel, how much its mean response adds to the wrong class less what it adds to the right one. */
  readonly opposition: readonly number[];
}

export interface PredictionOptions {
  /** How thick the lines are, in pixels; all are taken as equally frequent. */
  readonly thicknesses: readonly number[];
  /** Where the strongest is looked for, cycles a pixel. */
  readonly band: readonly [low: number, high: number];
}

export interface FoolingPrediction {
  /** Cycles a pixel. */
  readonly frequency: number;
  /** From 0 to 1/2 cycle a pixel. */
  readonly curve: readonly { readonly frequency: number; readonly strength: number }[];
}

/** Points of the transform along each axis. */
const resolution = 512;

/**
 * The frequency of modulation at which the kernels' own Fourier transforms say that horizontal lines fool the network.
 *
 * A long horizontal line of thickness t has its energy at column frequency 0, spread over the row frequencies v by
 * S_t(v) = |sum over q < t of exp(-2 pi i v q)|^2. Multiplied by cos(2 pi f n) it has it at column frequency f, where
 * kernel k, of transform W_k, responds with root mean square E_k(f) = sqrt(mean over v of S(v) |W_k(v, f)|^2), S being the
 * mean of S_t over the thicknesses. ReLU and global average pooling keep what is proportional to it, and the fully
 * connected layer weighs it: strength(f) = sum over k of opposition[k] E_k(f). The strongest f in the band is the answer.
 *
 * @throws StriateError when kernels and oppositions are not as many, or no frequency is in the band
 */
export function predictFooling(
  { kernels, opposition }: OrientationReadout,
  options: PredictionOptions,
): FoolingPrediction {
  const { thicknesses, band } = options;
  if (kernels.length === 0 || kernels.length !== opposition.length)
    throw new StriateError({
      subject: "predictFooling",
      found: `${kernels.length} kernels and ${opposition.length} oppositions`,
      expected: "as many, and at least one",
    });
  const energy = meanLineEnergy(thicknesses);
  const strengths = new Float64Array(resolution / 2 + 1);
  kernels.forEach((kernel, index) => {
    const { real, imaginary, width } = fourierTransform(kernel, { height: resolution, width: resolution });
    for (let u = 0; u < strengths.length; u++) {
      let sum = 0;
      for (let v = 0; v < resolution; v++)
        sum += energy[v]! * (real[v * width + u]! ** 2 + imaginary[v * width + u]! ** 2);
      strengths[u]! += opposition[index]! * Math.sqrt(sum / resolution);
    }
  });
  const curve = Array.from(strengths, (strength, u) => ({ frequency: u / resolution, strength }));
  const within = curve.filter(({ frequency }) => frequency >= band[0] && frequency <= band[1]);
  if (within.length === 0)
    throw new StriateError({
      subject: "predictFooling",
      found: `a band of ${band[0]} to ${band[1]}`,
      expected: "one within 0 to 0.5 cycles a pixel",
    });
  const { frequency } = within.reduce((best, point) => (point.strength > best.strength ? point : best));
  return { frequency, curve };
}

/** S(v) for every row frequency v / resolution: the mean over thicknesses of |sum of exp(-2 pi i v q)|^2, q < thickness. */
function meanLineEnergy(thicknesses: readonly number[]): Float64Array {
  return Float64Array.from({ length: resolution }, (_, v) => {
    const energies = thicknesses.map((thickness) => {
      let [real, imaginary] = [0, 0];
      for (let q = 0; q < thickness; q++) {
        real += Math.cos((2 * Math.PI * v * q) / resolution);
        imaginary -= Math.sin((2 * Math.PI * v * q) / resolution);
      }
      return real ** 2 + imaginary ** 2;
    });
    return energies.reduce((sum, each) => sum + each, 0) / thicknesses.length;
  });
}
