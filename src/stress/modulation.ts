/**
 * Modulation: images multiplied by a sinusoid, which moves their spectrum without turning what we see. It fools networks
 * that look at where the energy is in the Fourier domain. Chapter, section 1.4.4.
 */
import { StriateError } from "../errors.ts";
import { formatShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** One value for all images, or one for each. */
export type PerImage<Value> = Value | ArrayLike<Value>;

export interface Modulation {
  /** Cycles a pixel; from 0 to 1/2. */
  readonly frequency: PerImage<number>;
  /** Radians; 0 unless given. */
  readonly phase?: PerImage<number>;
  /** The axis that the sinusoid runs along: the columns n (unless given) or the rows m. */
  readonly along?: PerImage<"columns" | "rows">;
}

/**
 * Images [batch, channels, height, width], each multiplied by cos(2 pi frequency n + phase), n being the column (or the
 * row). What is 0 stays: give images whose mid-grey is 0.
 *
 * @throws StriateError when the images have not four axes, or values for each image are not as many as the images
 *
 * @example
 * import { full, modulate } from "striate";
 *
 * const grey = modulate(full([1, 1, 2, 4], 1), { frequency: 1 / 4 });
 * console.assert(grey.toArray().every((value, n) => Math.abs(value - Math.cos((Math.PI * n) / 2)) < 1e-6));
 */
export function modulate(images: Tensor, { frequency, phase = 0, along = "columns" }: Modulation): Tensor {
  if (images.shape.length !== 4 || images.dtype !== "float32")
    throw new StriateError({
      subject: "modulate",
      found: `${images.dtype} ${formatShape(images.shape)}`,
      expected: "float32 [batch, channels, height, width]",
    });
  const [batch, channels, height, width] = images.shape as [number, number, number, number];
  const frequencies = perImage("frequency", frequency, batch);
  const phases = perImage("phase", phase, batch);
  const axes = perImage("along", along, batch);
  const source = images.numbers;
  const result = new Float32Array(images.size);
  const wave = new Float32Array(Math.max(height, width));
  let position = 0;
  for (let image = 0; image < batch; image++) {
    const [cycles, start, alongRows] = [frequencies(image), phases(image), axes(image) === "rows"];
    for (let n = 0; n < wave.length; n++) wave[n] = Math.cos(2 * Math.PI * cycles * n + start);
    for (let channel = 0; channel < channels; channel++)
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++, position++)
          result[position] = source[position]! * wave[alongRows ? row : column]!;
  }
  return new Tensor("float32", images.shape, result);
}

function perImage<Value extends number | string>(name: string, given: PerImage<Value>, batch: number) {
  if (typeof given !== "object") return () => given as Value;
  if (given.length !== batch)
    throw new StriateError({ subject: `modulate.${name}`, found: `${given.length} values`, expected: `${batch}` });
  return (image: number) => given[image]!;
}
