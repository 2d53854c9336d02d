/** What is put around maps, and between their elements. */
import { apply } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import { Pad, pad, slice } from "./core/arrange.ts";
import { lengthsOf, reshape, unsqueeze, vector } from "./core/shape.ts";

/** Borders by PyTorch's names for them, and ONNX's. */
const borderModes = { zeros: "constant", reflect: "reflect", replicate: "edge", circular: "wrap" } as const;
export type Border = keyof typeof borderModes;

/** Elements before and after each spatial axis, by kind of border. */
export const padBorders = (x: Value, pads: readonly (readonly [number, number])[], border: Border): Value =>
  apply(Pad, [x, vector([0, 0, ...pads.map(([before]) => before), 0, 0, ...pads.map(([, after]) => after)])], {
    mode: borderModes[border],
  })[0]!;

/** Zeros between neighbours, so that they come to stand `stride` apart: length' = (length - 1) stride + 1. */
export const dilate = (x: Value, stride: readonly number[]): Value =>
  lengthsOf("dilate", x, 2).reduce((value, length, index): Value => {
    const [axis, step] = [index + 2, stride[index]!];
    if (step === 1) return value;
    const gaps = Array.from(
      { length: value.shape.length + 1 },
      (_, each) => [0, each === axis + 1 ? step - 1 : 0] as const,
    );
    const spaced = pad(unsqueeze(value, [axis + 1]), gaps);
    const after = (value.shape as readonly number[]).slice(axis + 1);
    const joined = reshape(spaced, [...value.shape.slice(0, axis).map(() => 0), length * step, ...after]);
    return slice(joined, { axis, start: 0, end: (length - 1) * step + 1 });
  }, x);
