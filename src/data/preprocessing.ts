/** How pixels become a network's input: told once, kept with the model, used by datasets and single pictures alike. */
import * as valibot from "valibot";
import { StriateError } from "../errors.ts";
import type { TypedArray } from "../tensor/dtype.ts";

const length = valibot.pipe(valibot.number(), valibot.integer(), valibot.minValue(1), valibot.maxValue(65_535));
const finite = valibot.pipe(valibot.number(), valibot.finite());

const schema = valibot.pipe(
  valibot.strictObject({
    /** 1: grey. 3: red, green, blue. */
    channels: valibot.picklist([1, 3] as const),
    /** Of the picture itself, without its padding. */
    height: length,
    width: length,
    /** Pixels of zero (black) put around the picture on every side before normalising. */
    padding: valibot.pipe(valibot.number(), valibot.integer(), valibot.minValue(0), valibot.maxValue(65_535)),
    /** Of pixels scaled to 0 … 1, a number for each channel. */
    mean: valibot.pipe(valibot.array(finite), valibot.readonly()),
    std: valibot.pipe(valibot.array(valibot.pipe(finite, valibot.gtValue(0))), valibot.readonly()),
    /** `dark`: the objects are light on dark, so a picture that is dark on light is inverted first. */
    background: valibot.optional(valibot.picklist(["dark"] as const)),
  }),
  valibot.check((value) => value.mean.length === value.channels, "mean: Expected a number for each channel"),
  valibot.check((value) => value.std.length === value.channels, "std: Expected a number for each channel"),
  valibot.readonly(),
);

/**
 * How a picture becomes the network's input: brought to `channels` and to `height` x `width`, surrounded by `padding`
 * black pixels, scaled to 0 … 1, then (value - mean) / std for each channel. Plain data: it is kept with a model as JSON.
 */
export type Preprocessing = valibot.InferOutput<typeof schema>;

/**
 * Preprocessing read back from JSON, checked.
 *
 * @param subject where it came from, for messages
 * @throws StriateError naming the field that is wrong, what was found and what was expected.
 */
export function parsePreprocessing(value: unknown, subject: string): Preprocessing {
  const result = valibot.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = valibot.getDotPath(issue);
  const where = path === null ? "preprocessing" : `preprocessing.${path}`;
  const expected = issue.expected ?? issue.message.replace(/^(\w+): Expected /, "$1 with ");
  throw new StriateError({
    subject,
    found:
      path === null && issue.expected === null ? `${where} ${JSON.stringify(value)}` : `${where} ${issue.received}`,
    expected: expected === "never" ? "no such field" : expected,
    cause: issue,
  });
}

/** The shape of one input: [channels, height, width], the padding included. */
export const inputShape = ({ channels, height, width, padding }: Preprocessing): [number, number, number] => [
  channels,
  height + 2 * padding,
  width + 2 * padding,
];

/** Writes one image, [channels, height, width] from `sourceOffset`, as a network's input from `targetOffset`. */
export type ImageWriter = (
  source: TypedArray,
  sourceOffset: number,
  target: Float32Array,
  targetOffset: number,
) => void;

/**
 * The function that turns images of bytes (0 … 255) or, for `pixels: "unit"`, of floats (0 … 1) into a network's input.
 * Bytes go through a table of 256 results a channel, so it is quick, and equal bytes give equal bits everywhere.
 */
export function imageWriter(preprocessing: Preprocessing, pixels: "bytes" | "unit"): ImageWriter {
  const { height, width, padding, mean, std } = preprocessing;
  const [channels, paddedHeight, paddedWidth] = inputShape(preprocessing);
  const normalise = (value: number, channel: number) => (value - mean[channel]!) / std[channel]!;
  const tables = mean.map((_, channel) =>
    Float32Array.from({ length: 256 }, (_, byte) => normalise(byte / 255, channel)),
  );
  return (source, sourceOffset, target, targetOffset) => {
    const values = source as Uint8Array | Float32Array;
    let read = sourceOffset;
    for (let channel = 0; channel < channels; channel++) {
      const table = tables[channel]!;
      const plane = targetOffset + channel * paddedHeight * paddedWidth;
      if (padding > 0) target.fill(table[0]!, plane, plane + paddedHeight * paddedWidth);
      for (let row = 0; row < height; row++) {
        let write = plane + (row + padding) * paddedWidth + padding;
        if (pixels === "bytes")
          for (let column = 0; column < width; column++) target[write++] = table[values[read++]!]!;
        else for (let column = 0; column < width; column++) target[write++] = normalise(values[read++]!, channel);
      }
    }
  };
}
