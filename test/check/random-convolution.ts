/** Convolution layers with every option, drawn at random: for properties that hold for all of them. */
import fc from "fast-check";
import type { PlainConvolution } from "./plain.ts";

const axis = fc.record({
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  pads: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
  /** How much longer the input is than the shortest that always fits. */
  more: fc.integer({ min: 0, max: 2 }),
});

/** Options of a layer over at most so many axes, the same as the plain loops take them, and the shape of one sample. */
export const randomConvolution = (mostAxes = 3) =>
  fc
    .integer({ min: 1, max: mostAxes })
    .chain((axes) =>
      fc.record({
        each: fc.array(axis, { minLength: axes, maxLength: axes }),
        groups: fc.integer({ min: 1, max: 3 }),
        inputs: fc.integer({ min: 1, max: 2 }),
        outputs: fc.integer({ min: 1, max: 2 }),
        border: fc.constantFrom("zeros", "reflect", "replicate", "circular"),
        flip: fc.boolean(),
        bias: fc.boolean(),
      }),
    )
    .map(({ each, groups, inputs, outputs, border, flip, bias }) => {
      const [kernel, pads] = [each.map((one) => one.kernel), each.map((one) => one.pads)];
      const [stride, dilation] = [each.map((one) => one.stride), each.map((one) => one.dilation)];
      const plain = { stride, dilation, pads, groups, border, flip };
      return {
        plain: plain as PlainConvolution,
        options: {
          stride,
          dilation,
          groups,
          border,
          flip,
          kernel,
          padding: pads,
          channels: groups * outputs,
          bias,
        } as const,
        input: [groups * inputs, ...each.map((one) => Math.max(3, one.dilation * (one.kernel - 1) + 1) + one.more)],
      };
    });
