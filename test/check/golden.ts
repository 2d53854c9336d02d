/** PyTorch's recorded results for operators, and how its functions are said in operators of ours. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeGraph } from "../../src/graph/graph.ts";
import { apply } from "../../src/graph/op.ts";
import { training } from "../../src/graph/training.ts";
import type { Input, Value } from "../../src/graph/value.ts";
import * as losses from "../../src/nn/losses.ts";
import * as activation from "../../src/ops/activation.ts";
import { BatchNormalization } from "../../src/ops/batch-normalisation.ts";
import { conv, convTranspose } from "../../src/ops/conv.ts";
import * as core from "../../src/ops/core/elementwise.ts";
import { reduceSum } from "../../src/ops/core/reduce.ts";
import { reshape, transpose } from "../../src/ops/core/shape.ts";
import { localResponseNormalization } from "../../src/ops/local-normalisation.ts";
import { linearTransform } from "../../src/ops/matmul.ts";
import * as normalisation from "../../src/ops/normalisation.ts";
import { averagePool, maxPool } from "../../src/ops/pool.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { decodeSafetensors } from "../../src/tensor/safetensors.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { spatialBuilders } from "./golden-spatial.ts";

/** A recorded case: PyTorch's function, its options, and the shapes of its operands and of their recorded gradients. */
export interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

/** A case of an operator, which has inputs, or of an optimiser, which has none. */
export type RecordedCase = GoldenCase | Omit<GoldenCase, "inputs" | "gradients">;

export const isOperator = (each: RecordedCase): each is GoldenCase => "inputs" in each;

export interface Recorded<Case extends RecordedCase = RecordedCase> {
  readonly cases: readonly Case[];
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export const isRecorded = (folder: string): boolean =>
  ["ops.json", "ops.safetensors"].every((name) => existsSync(join(folder, name)));

/** The recorded cases of a folder: `ops.json` and `ops.safetensors`. */
export function readRecorded(folder: string): Recorded {
  const { cases } = JSON.parse(readFileSync(join(folder, "ops.json"), "utf8")) as { cases: RecordedCase[] };
  return { cases, tensors: decodeSafetensors(readFileSync(join(folder, "ops.safetensors")), "ops.safetensors") };
}

const shared = join(import.meta.dirname, "..", "..", "..", "shared", "golden");

/** The recorded cases of operators and their tensors, or undefined where the folder is not there. */
export function readGolden(): Recorded<GoldenCase> | undefined {
  if (!isRecorded(shared)) return undefined;
  const { cases, tensors } = readRecorded(shared);
  return { cases: cases.filter(isOperator), tensors };
}

type Inputs = Readonly<Record<string, Value>>;
interface Options {
  readonly kernel_size: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation?: readonly number[];
  readonly output_padding?: readonly number[];
  readonly groups?: number;
  readonly ceil_mode?: boolean;
  readonly count_include_pad?: boolean;
  readonly dim: number;
  readonly reduction?: string;
  readonly tau: number;
  readonly label_smoothing?: number;
  readonly ignore_index?: number;
  readonly training: boolean;
  readonly eps: number;
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly threshold?: number;
  readonly negative_slope?: number;
  readonly approximate?: "none" | "tanh";
  readonly normalized_shape: readonly number[];
}

/** A function of PyTorch from its operands and options. */
type Builder = (inputs: Inputs, options: Options) => Value;

const window = ({ kernel_size, stride, padding, dilation, ceil_mode, count_include_pad }: Options) => ({
  kernel_shape: kernel_size,
  strides: stride,
  pads: [...padding, ...padding],
  dilations: dilation,
  ceil_mode: ceil_mode ? 1 : 0,
  ...(count_include_pad === undefined ? {} : { count_include_pad: count_include_pad ? 1 : 0 }),
});

const convolution: Builder = ({ x, w, b }, { stride, padding, dilation, groups }) =>
  conv(x!, w!, b, { strides: stride, pads: [...padding, ...padding], dilations: dilation, group: groups });

const transposed: Builder = ({ x, w, b }, { stride, padding, dilation, groups, output_padding }) => {
  const pads = [...padding, ...padding];
  return convTranspose(x!, w!, { strides: stride, pads, dilations: dilation, group: groups, output_padding }, b);
};

const maximum: Builder = ({ x }, options) => maxPool(x!, window(options));
const average: Builder = ({ x }, options) => averagePool(x!, window(options));

/** @throws Error for a reduction that losses do not have */
function reductionOf({ reduction = "mean" }: Options): losses.Reduction {
  const known = (["mean", "sum", "none"] as const).find((each) => each === reduction);
  if (!known) throw new Error(`no loss has the reduction ${reduction}`);
  return known;
}

const crossEntropy: Builder = ({ x, t, w }, options) =>
  losses
    .crossEntropyWith({
      classWeights: w,
      labelSmoothing: options.label_smoothing,
      ignoreIndex: options.ignore_index,
      reduction: reductionOf(options),
    })
    .of(x!, t!);

/** A loss that is a mean over everything, or the sum or all of what it is the mean of. */
const meanOf =
  ({ of }: losses.Loss, each: (difference: Value) => Value): Builder =>
  ({ x, t }, options) => {
    const reduction = reductionOf(options);
    if (reduction === "mean") return of(x!, t!);
    const every = each(core.sub(x!, t!));
    return reduction === "sum" ? reduceSum(every) : every;
  };

/** Of t (log t - x), the sum over the batch's size, as ours is, or what else PyTorch makes of it. */
const klDivergence: Builder = ({ x, t }, options) => {
  const perSample = losses.klDivergence.of(x!, t!);
  if (options.reduction === "batchmean") return perSample;
  const reduction = reductionOf(options);
  if (reduction === "none") return core.mul(t!, core.sub(core.log(t!), x!));
  const [samples, ...rest] = x!.shape as readonly number[];
  return reduction === "sum" ? core.mul(perSample, samples!) : core.div(perSample, sizeOf(rest));
};

const softplus: Builder = ({ x }, { beta = 1, threshold = 20 }) => {
  const steeper = core.mul(x!, beta);
  return core.where(core.greater(steeper, threshold), x!, core.div(activation.softplus(steeper), beta));
};

const batchNormalisation: Builder = ({ x, w, b, m, v }, options) => {
  const y = apply(BatchNormalization, [x, w, b, m, v], { epsilon: options.eps })[0]!;
  const inputs = [x, w, b, m, v] as readonly Input[];
  return options.training ? training(makeGraph(inputs, { y })).outputs.get("y")! : y;
};

/** The elements of an axis as two axes, `first` of them outside. */
const split = (x: Value, axis: number, sizes: readonly number[]): Value =>
  reshape(x, (x.shape as readonly number[]).toSpliced(axis, 1, ...sizes));

export const builders: Readonly<Record<string, Builder>> = {
  conv1d: convolution,
  conv2d: convolution,
  conv3d: convolution,
  conv_transpose1d: transposed,
  conv_transpose2d: transposed,
  conv_transpose3d: transposed,
  max_pool1d: maximum,
  max_pool2d: maximum,
  max_pool3d: maximum,
  avg_pool1d: average,
  avg_pool2d: average,
  avg_pool3d: average,
  linear: ({ x, w, b }) => linearTransform(x!, w!, b),
  relu: ({ x }) => core.relu(x!),
  tanh: ({ x }) => core.tanh(x!),
  sigmoid: ({ x }) => core.sigmoid(x!),
  silu: ({ x }) => core.mul(x!, core.sigmoid(x!)),
  hardsigmoid: ({ x }) => core.hardSigmoid(x!, { alpha: 1 / 6, beta: 0.5 }),
  relu6: ({ x }) => activation.clip(x!, 0, 6),
  elu: ({ x }, { alpha }) => activation.elu(x!, alpha),
  selu: ({ x }) => activation.selu(x!),
  gelu: ({ x }, { approximate }) => activation.gelu(x!, approximate),
  hardswish: ({ x }) => activation.hardSwish(x!),
  softplus,
  leaky_relu: ({ x }, { negative_slope }) => activation.leakyRelu(x!, negative_slope),
  mish: ({ x }) => activation.mish(x!),
  prelu: ({ x, w }) => activation.prelu(x!, reshape(w!, [-1, 1, 1])),
  batch_norm: batchNormalisation,
  instance_norm: ({ x, w, b }, { eps }) => normalisation.instanceNormalization(x!, w!, b!, eps),
  group_norm: ({ x, w, b }, { eps, groups }) => normalisation.groupNormalization(x!, w!, b!, groups!, eps),
  layer_norm: ({ x, w, b }, { eps, normalized_shape }) =>
    normalisation.layerNormalization(x!, w!, b, -normalized_shape.length, eps),
  local_response_norm: ({ x }, { size, alpha, beta, k }) =>
    localResponseNormalization(x!, { size, alpha, beta, bias: k }),
  softmax: ({ x }, { dim }) => softmax(x!, dim),
  log_softmax: ({ x }, { dim }) => logSoftmax(x!, dim),
  softmax_temperature: ({ x }, { tau }) => softmax(core.mul(x!, -tau)),
  cross_entropy: crossEntropy,
  mse_loss: meanOf(losses.meanSquaredError, (difference) => core.mul(difference, difference)),
  l1_loss: meanOf(losses.meanAbsoluteError, core.abs),
  smooth_l1_loss: ({ x, t }, options) =>
    losses.smoothL1({ beta: options.beta, reduction: reductionOf(options) }).of(x!, t!),
  binary_cross_entropy_with_logits: ({ x, t }, options) =>
    losses.binaryCrossEntropy({ reduction: reductionOf(options) }).of(x!, t!),
  kl_div: klDivergence,
  cosine_similarity: ({ x, t }, { dim, eps }) => losses.cosineSimilarity(x!, t!, dim, eps),
  channel_shuffle: ({ x }, { groups }) => {
    const each = (x!.shape[1] as number) / groups!;
    return reshape(transpose(split(x!, 1, [groups!, each]), [0, 2, 1, 3, 4]), x!.shape as readonly number[]);
  },
  ...spatialBuilders,
};
