/** The standard's cases that an engine fails, each with the reason. A test keeps the list true. */

const ownRandomNumbers = "needs the standard's own random numbers";

const onEveryEngine: Readonly<Record<string, string>> = {
  test_identity_opt: "an optional value, which is no tensor",
  test_training_dropout: ownRandomNumbers,
  test_training_dropout_default: ownRandomNumbers,
  test_training_dropout_default_mask: ownRandomNumbers,
  test_training_dropout_mask: ownRandomNumbers,
};

export const misses: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  reference: onEveryEngine,
  ort: onEveryEngine,
};

/** Operators whose cases fail as long as there are none: the start of the case's name, and the operator. */
const awaited: readonly (readonly [RegExp, string])[] = [
  [/^test_(averagepool|maxpool|globalmaxpool|lppool)/, "pooling is not complete"],
  [/^test_col2im/, "Col2Im"],
  [/^test_convtranspose_(autopad_same|kernel_shape|output_shape)/, "transposed convolution to a given size"],
  [/deform_conv/, "DeformConv"],
  [/^test_(depthtospace|spacetodepth)/, "DepthToSpace and SpaceToDepth"],
  [/^test_dft/, "DFT"],
  [/^test_maxunpool/, "MaxUnpool"],
  [/^test_resize_.*antialias/, "Resize with antialiasing"],
];

/** Why a case fails on an engine, if that is known. */
export function reasonOf(engine: string, name: string): string | undefined {
  const operator = awaited.find(([pattern]) => pattern.test(name))?.[1];
  return misses[engine]?.[name] ?? (operator && `awaits ${operator}`);
}
