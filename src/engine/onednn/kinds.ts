/** The numbers of kinds of primitives, which both versions of the library have in common. */
export const binaryKinds = {
  add: 0x1fff0,
  mul: 0x1fff1,
  max: 0x1fff2,
  min: 0x1fff3,
  div: 0x1fff4,
  sub: 0x1fff5,
} as const;
export const poolingKinds = { max: 0x1ff, averageWithPadding: 0x2ff, average: 0x3ff } as const;
export const reductionKinds = { max: 0x2fff2, min: 0x2fff3, sum: 0x2fff4, mean: 0x2fff6 } as const;
export const resamplingKinds = { nearest: 0x2fff0, linear: 0x2fff1 } as const;
export const acrossChannels = 0xaff;
export const softmaxKinds = { plain: 0x30000, log: 0x30001 } as const;
export const propagation = {
  training: 64,
  inference: 96,
  backward: 128,
  inputGradient: 160,
  weightGradient: 192,
} as const;
