/** Functions with kinks: at one their derivative jumps, so that rounding can change a gradient by far more than itself. */
import type { Op } from "../graph/op.ts";
import { ClipGradient } from "./activation.ts";
import { ReluGradient } from "./core/elementwise.ts";
import { MaxPoolGradient } from "./pool.ts";

const sided = new Set<string>([ReluGradient.name, ClipGradient.name, MaxPoolGradient.name]);

/** Whether an operator is a gradient that takes the side of a kink (a ReLU's 0, a maximum) on which its first operand is. */
export const takesSide = ({ name }: Op): boolean => sided.has(name);
