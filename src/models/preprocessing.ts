/** How pixels become a network's input: told once, kept with the model, used by datasets and single pictures alike. */
import * as valibot from "valibot";
import { StriateError } from "../errors.ts";
import type { TypedArray } from "../tensor/dtype.ts";

/** A whole number; each rule's message is what was expected, for the sentence of the error. */
function whole(from: number) {
  const expected = `a whole number from ${from} to 65535`;
  return valibot.pipe(
    valibot.number(expected),
    valibot.integer(expected),
    valibot.minValue(from, expected),
    valibot.maxValue(65_535, expected),
  );
}

const finite = valibot.pipe(valibot.number("a number"), valibot.finite("a finite number"));
const positive = valibot.pipe(finite, valibot.gtValue(0, "a number above 0"));
const list = <Item extends valibot.GenericSchema>(item: Item) =>
  valibot.pipe(valibot.array(item, "a list of numbers"), valibot.readonly());

const schema = valibot.pipe(
  valibot.strictObject(
    {
      /** 1: grey. 3: red, green, blue. */
      channels: valibot.picklist([1, 3] as const, "1 or 3"),
      /** Of the picture itself, without its padding. */
      height: whole(1),
      width: whole(1),
      /** Pixels of zero (black) put around the picture on every side before normalising. */
      padding: whole(0),
      /** Of pixels scaled to 0 … 1, a number for each channel. */
      mean: list(finite),
      std: list(positive),
      /** `dark`: the objects are light on dark, so a picture that is dark on light is inverted first. */
      background: valibot.optional(valibot.picklist(["dark"] as const, '"dark" or nothing')),
    },
    (issue) => (issue.expected === "never" ? "no such field" : issue.path === undefined ? "an object" : "it there"),
  ),
  valibot.check(
    ({ channels, mean, std }) => mean.length === channels && std.length === channels,
    "as many means and stds as channels",
  ),
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
  throw new StriateError({
    subject,
    found: path === null ? `preprocessing ${JSON.stringify(value)}` : `preprocessing.${path} ${issue.received}`,
    expected: issue.message,
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
