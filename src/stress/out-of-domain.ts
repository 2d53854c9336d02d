/**
 * Out of domain: images that are oriented but hold no lines like those a network was trained on. Chapter, section 1.4.3.
 */
import {
  addNoise,
  type DrawHorizontal,
  fillRectangle,
  type OrientedImages,
  orientedImages,
  signedContrast,
  orientedSize as size,
} from "../data/oriented.ts";
import { nearest, StriateError } from "../errors.ts";
import { Random } from "../tensor/random.ts";

export interface OutOfDomainKind {
  readonly name: string;
  /** What such images are, in a few words. */
  readonly about: string;
  readonly draw: DrawHorizontal;
}

/** Every kind; a new one is a new row. */
export const outOfDomainKinds: readonly OutOfDomainKind[] = [
  { name: "gratings", about: "sinusoids of one orientation, 4 to 20 pixels a cycle", draw: drawGrating },
  { name: "oriented-noise", about: "noise that is smooth along one orientation", draw: drawOrientedNoise },
  { name: "edges", about: "broad areas with straight edges", draw: drawEdges },
  { name: "dots", about: "rows of dots", draw: drawDots },
  { name: "textured-bars", about: "broad bars made of random texture", draw: drawTexturedBars },
  { name: "barcode", about: "light and dark bars side by side, from edge to edge", draw: drawBarcode },
  { name: "dashed", about: "dashes in rows", draw: drawDashes },
  { name: "wavy", about: "curves that wave about one orientation", draw: drawWaves },
  { name: "tilted", about: "lines up to 12 degrees off", draw: drawTilted },
];

/**
 * Images of one kind, half of them vertical (class 0, the even ones) and half horizontal (class 1), mid-grey 0:
 * [count, 1, 64, 64]. Each is a function of seed, kind and its index alone.
 *
 * @throws StriateError for a kind that there is not, naming the nearest
 *
 * @example
 * import { outOfDomain } from "striate";
 *
 * const { images, labels } = outOfDomain("gratings", { seed: 1, count: 4 });
 * console.assert(images.shape.join("x") === "4x1x64x64" && labels.join("") === "0101");
 */
export function outOfDomain(
  kind: string,
  { seed = 0, count }: { readonly seed?: number; readonly count: number },
): OrientedImages {
  const found = outOfDomainKinds.find(({ name }) => name === kind);
  if (found) return orientedImages(count, found.draw, (index) => new Random(seed, "out of domain", kind, index));
  const names = outOfDomainKinds.map(({ name }) => name);
  const likely = nearest(kind, names);
  throw new StriateError({
    subject: "outOfDomain",
    found: `"${kind}"`,
    expected: `one of ${names.join(", ")}`,
    mend: likely && `Did you mean "${likely}"?`,
  });
}

function drawGrating(image: Float32Array, random: Random): void {
  const frequency = 1 / random.uniform(4, 20);
  const phase = random.uniform(0, 2 * Math.PI);
  const contrast = random.uniform(0.4, 1);
  for (let row = 0; row < size; row++)
    image.fill(contrast * Math.cos(2 * Math.PI * frequency * row + phase), row * size, (row + 1) * size);
}

/** White noise under a Gaussian of deviation 5 to 10 along the columns n and of 0.5 to 1.5 along the rows m. */
function drawOrientedNoise(image: Float32Array, random: Random): void {
  const along = gaussian(random.uniform(5, 10));
  const across = gaussian(random.uniform(0.5, 1.5));
  const contrast = random.uniform(0.3, 0.6);
  const [alongReach, acrossReach] = [(along.length - 1) / 2, (across.length - 1) / 2];
  const width = size + 2 * alongReach;
  const noise = new Float32Array((size + 2 * acrossReach) * width);
  addNoise(noise, 1, random);
  const smooth = new Float32Array((size + 2 * acrossReach) * size);
  for (let row = 0; row < size + 2 * acrossReach; row++)
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let tap = 0; tap < along.length; tap++) sum += along[tap]! * noise[row * width + column + tap]!;
      smooth[row * size + column] = sum;
    }
  for (let tap = 0; tap < across.length; tap++)
    for (let index = 0; index < image.length; index++)
      image[index] = image[index]! + across[tap]! * smooth[tap * size + index]!;
  let [sum, squares] = [0, 0];
  for (const value of image) [sum, squares] = [sum + value, squares + value * value];
  const deviation = Math.sqrt(squares / image.length - (sum / image.length) ** 2);
  for (let index = 0; index < image.length; index++) image[index] = (contrast / deviation) * image[index]!;
}

/** A Gaussian of sum 1, cut beyond three deviations. */
function gaussian(deviation: number): number[] {
  const reach = Math.floor(3 * deviation) + 1;
  const values = Array.from({ length: 2 * reach + 1 }, (_, tap) =>
    Math.exp(-((tap - reach) ** 2) / 2 / deviation ** 2),
  );
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

/** Two to four edges at least 10 pixels apart, between areas that are light and dark in turn. */
function drawEdges(image: Float32Array, random: Random): void {
  const least = 10;
  const edges = random.integer(2, 4);
  let borders: number[];
  do {
    const drawn = Array.from({ length: edges }, () => random.integer(least, size - least));
    borders = [0, ...drawn.sort((one, other) => one - other), size];
  } while (borders.some((border, index) => index > 0 && border - borders[index - 1]! < least));
  let sign = random.uniform() < 0.5 ? 1 : -1;
  for (let area = 0; area <= edges; area++, sign = -sign) {
    const [top, below] = [borders[area]!, borders[area + 1]!];
    fillRectangle(image, { top, left: 0, height: below - top, width: size }, sign * random.uniform(0.2, 0.7));
  }
}

/** Two to five rows of square dots of 2 or 3 pixels, 2 or 3 pixels apart. */
function drawDots(image: Float32Array, random: Random): void {
  const side = random.integer(2, 3);
  const spacing = random.integer(side + 2, side + 3);
  const rows = random.integer(2, 5);
  const contrast = signedContrast(random, 0.5, 1);
  const gap = Math.floor(size / rows);
  const first = random.integer(0, gap - side);
  for (let row = 0; row < rows; row++)
    for (let left = random.integer(0, spacing - 1) - side; left < size; left += spacing)
      fillRectangle(image, { top: first + row * gap, left, height: side, width: side }, contrast);
}

/** One to three bars, 8 to 16 thick, of which each pixel is the bar's or the ground's with equal chance. */
function drawTexturedBars(image: Float32Array, random: Random): void {
  const bars = random.integer(1, 3);
  const contrast = signedContrast(random, 0.5, 1);
  const gap = Math.floor(size / bars);
  for (let bar = 0; bar < bars; bar++) {
    const height = random.integer(8, Math.min(16, gap - 5));
    const top = bar * gap + random.integer(0, gap - height);
    const width = random.integer(40, size);
    const left = random.integer(0, size - width);
    for (let row = top; row < top + height; row++)
      for (let column = left; column < left + width; column++)
        image[row * size + column] = random.bits() & 1 ? contrast : 0;
  }
}

function drawBarcode(image: Float32Array, random: Random): void {
  let value = signedContrast(random, 0.3, 0.8);
  for (let top = 0; top < size; value = -value) {
    const height = random.integer(2, 8);
    fillRectangle(image, { top, left: 0, height, width: size }, value);
    top += height;
  }
}

function drawDashes(image: Float32Array, random: Random): void {
  const rows = random.integer(2, 6);
  for (let row = 0; row < rows; row++) {
    const height = random.integer(1, 3);
    const width = random.integer(6, 10);
    const gap = random.integer(3, 6);
    const top = random.integer(0, size - height);
    const contrast = signedContrast(random, 0.4, 1);
    for (let left = -random.integer(0, width + gap - 1); left < size; left += width + gap)
      fillRectangle(image, { top, left, height, width }, contrast);
  }
}

/** Two to six curves 1 to 4 thick whose row is a function of the column, kept inside the image. */
function drawCurves(image: Float32Array, random: Random, drawCurve: () => (column: number) => number): void {
  const curves = random.integer(2, 6);
  for (let curve = 0; curve < curves; curve++) {
    const height = random.integer(1, 4);
    const contrast = signedContrast(random, 0.4, 1);
    const rowAt = drawCurve();
    for (let column = 0; column < size; column++)
      for (let offset = 0; offset < height; offset++) {
        const row = Math.min(size - 1, Math.max(0, Math.round(rowAt(column)) + offset));
        image[row * size + column] = contrast;
      }
  }
}

function drawWaves(image: Float32Array, random: Random): void {
  drawCurves(image, random, () => {
    const amplitude = random.uniform(1, 2.5);
    const period = random.uniform(24, 64);
    const phase = random.uniform(0, 2 * Math.PI);
    const middle = random.uniform(3, size - 7);
    return (column) => middle + amplitude * Math.sin((2 * Math.PI * column) / period + phase);
  });
}

function drawTilted(image: Float32Array, random: Random): void {
  drawCurves(image, random, () => {
    const slope = Math.tan((random.uniform(-12, 12) * Math.PI) / 180);
    const middle = random.uniform(8, size - 12);
    return (column) => middle + slope * (column - (size - 1) / 2);
  });
}
