/** Channels to places and back: what sub-pixel convolution ends with, and its inverse. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type Op } from "../graph/op.ts";
import type { Dimension, Value } from "../graph/value.ts";
import { formatShape, stridesOf } from "../tensor/shape.ts";
import { gather, lengthsOf, reshape, reshapeLike, transpose } from "./core/shape.ts";

interface BlockAttributes {
  blocksize: number;
}

interface DepthToSpaceAttributes extends BlockAttributes {
  /** How channels are numbered: by place in the block first (DCR), or by channel of the result first (CRD). */
  mode: string;
}

function blockOf(subject: string, x: Value, blocksize: number | undefined): readonly [number, number] {
  const channels = x.shape[1];
  const isBlock = blocksize !== undefined && Number.isInteger(blocksize) && blocksize >= 1 && blocksize < 2 ** 16;
  if (isBlock && x.shape.length === 4 && typeof channels === "number") return [blocksize, channels];
  throw new StriateError({
    subject,
    found: `blocks of ${blocksize} in maps of ${formatShape(x.shape)}`,
    expected: "a length above 0, and [batch, channels, height, width] with a number of channels",
  });
}

/** A length times or by the side of a block; what was divided before is whole again. */
function times(length: Dimension, by: number): Dimension {
  if (typeof length === "number" || by === 1) return typeof length === "number" ? length * by : length;
  return length.startsWith("(") && length.endsWith(`)/${by}`)
    ? length.slice(1, -`)/${by}`.length)
    : `${by}*(${length})`;
}

function dividedBy(length: Dimension, by: number): Dimension {
  if (typeof length === "number" || by === 1) return typeof length === "number" ? length / by : length;
  return length.startsWith(`${by}*(`) && length.endsWith(")")
    ? length.slice(`${by}*(`.length, -1)
    : `(${length})/${by}`;
}

/**
 * [batch, b^2 channels, height, width] to [batch, channels, b height, b width]: every place becomes a block, filled from
 * its channels (W. Shi et al., CVPR 2016). ONNX: https://onnx.ai/onnx/operators/onnx__DepthToSpace.html
 */
export const DepthToSpace: Op<DepthToSpaceAttributes> = defineOp<DepthToSpaceAttributes>({
  name: "DepthToSpace",
  domain: "",
  attributes: { blocksize: { kind: "int" }, mode: { kind: "string", default: "DCR" } },
  arity: [1, 1],
  infer: ([x], { blocksize, mode }) => {
    const [block, channels] = blockOf("DepthToSpace", x!, blocksize);
    if (channels % block ** 2 !== 0 || (mode !== "DCR" && mode !== "CRD"))
      throw new StriateError({
        subject: "DepthToSpace",
        found: `${channels} channels, mode ${mode}`,
        expected: `a multiple of ${block ** 2}, and DCR or CRD`,
      });
    const [batch, , height, width] = x!.shape as [Dimension, Dimension, Dimension, Dimension];
    return [{ dtype: x!.dtype, shape: [batch, channels / block ** 2, times(height, block), times(width, block)] }];
  },
  evaluate: ([x], { blocksize: block, mode }) => {
    const [batch, all, height, width] = x!.shape as [number, number, number, number];
    const channels = all / block ** 2;
    const [image, map, row, place] = stridesOf(x!.shape) as [number, number, number, number];
    const [channel, down, across] =
      mode === "DCR" ? [map, map * channels * block, map * channels] : [map * block ** 2, map * block, map];
    const blocks = [batch, channels, height, block, width, block];
    return [
      gather(x!, blocks, [image, channel, row, down, place, across]).reshape([
        batch,
        channels,
        height * block,
        width * block,
      ]),
    ];
  },
  gradient: (node, [g], { blocksize, mode }) => {
    if (!g) return [];
    const x = node.inputs[0]!;
    const back = apply(SpaceToDepth, [g], { blocksize })[0]!;
    if (mode === "DCR") return [back];
    const apart = reshape(back, [0, blocksize ** 2, (x.shape[1] as number) / blocksize ** 2, -1]);
    return [reshapeLike(transpose(apart, [0, 2, 1, 3]), x)];
  },
});

/**
 * [batch, channels, b height, b width] to [batch, b^2 channels, height, width]: every block becomes one place.
 * ONNX: https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html
 */
export const SpaceToDepth: Op<BlockAttributes> = defineOp<BlockAttributes>({
  name: "SpaceToDepth",
  domain: "",
  attributes: { blocksize: { kind: "int" } },
  arity: [1, 1],
  infer: ([x], { blocksize }) => {
    const [block, channels] = blockOf("SpaceToDepth", x!, blocksize);
    const [batch, , height, width] = x!.shape as [Dimension, Dimension, Dimension, Dimension];
    if ([height, width].some((length) => typeof length === "number" && length % block !== 0))
      throw new StriateError({
        subject: "SpaceToDepth",
        found: `blocks of ${block} in maps of ${formatShape(x!.shape)}`,
        expected: "whole blocks",
      });
    return [
      { dtype: x!.dtype, shape: [batch, channels * block ** 2, dividedBy(height, block), dividedBy(width, block)] },
    ];
  },
  evaluate: ([x], { blocksize: block }) => {
    const [batch, channels, height, width] = x!.shape as [number, number, number, number];
    const [image, map, row, place] = stridesOf(x!.shape) as [number, number, number, number];
    const lengths = [height / block, width / block] as const;
    return [
      gather(
        x!,
        [batch, block, block, channels, ...lengths],
        [image, row, place, map, row * block, place * block],
      ).reshape([batch, block ** 2 * channels, ...lengths]),
    ];
  },
  gradient: (_, [g], attributes) => [g && apply(DepthToSpace, [g], attributes)[0]],
});

/** Sub-pixel shuffle: [batch, r^d channels, ...n] to [batch, channels, ...r n]. W. Shi et al., CVPR 2016. */
export function pixelShuffle(x: Value, factor: number): Value {
  const axes = x.shape.length - 2;
  const maps = Number(x.shape[1]) / factor ** axes;
  if (!Number.isInteger(maps))
    throw new StriateError({
      subject: "pixelShuffle",
      found: `${x.shape[1]} channels`,
      expected: `a multiple of ${factor ** axes}`,
    });
  if (axes === 2) return apply(DepthToSpace, [x], { blocksize: factor, mode: "CRD" })[0]!;
  const spatial = lengthsOf("pixelShuffle", x, 2);
  const apart = reshape(x, [0, maps, ...spatial.map(() => factor), ...spatial]);
  const places = spatial.flatMap((_, axis) => [2 + spatial.length + axis, 2 + axis]);
  return reshape(transpose(apart, [0, 1, ...places]), [0, maps, ...spatial.map((length) => length * factor)]);
}

/** The inverse: [batch, channels, ...r n] to [batch, r^d channels, ...n]. */
export function pixelUnshuffle(x: Value, factor: number): Value {
  const [channels, ...spatial] = lengthsOf("pixelUnshuffle", x, 1);
  if (spatial.some((length) => length % factor !== 0))
    throw new StriateError({
      subject: "pixelUnshuffle",
      found: `maps of ${formatShape(spatial)}`,
      expected: `multiples of ${factor}`,
    });
  const small = spatial.map((length) => length / factor);
  const apart = reshape(x, [0, channels!, ...small.flatMap((length) => [length, factor])]);
  const places = [...small.map((_, axis) => 3 + 2 * axis), ...small.map((_, axis) => 2 + 2 * axis)];
  return reshape(transpose(apart, [0, 1, ...places]), [0, channels! * factor ** small.length, ...small]);
}
