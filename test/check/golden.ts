/** PyTorch's recorded results for operators, and how its functions are said in layers and losses of ours. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeGraph } from "../../src/graph/graph.ts";
import { training } from "../../src/graph/training.ts";
import type { Input, Value } from "../../src/graph/value.ts";
import * as nn from "../../src/index.ts";
import * as losses from "../../src/nn/losses.ts";
import * as activation from "../../src/ops/activation.ts";
import * as core from "../../src/ops/core/elementwise.ts";
import { linearTransform } from "../../src/ops/matmul.ts";
import { logSoftmax } from "../../src/ops/softmax.ts";
import { decodeSafetensors } from "../../src/tensor/safetensors.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { through } from "./golden-layer.ts";
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

export interface Recorded {
  readonly cases: readonly RecordedCase[];
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

/** The recorded cases that tests compare with, or undefined where the folder is not there. */
export const readGolden = (): Recorded | undefined => (isRecorded(shared) ? readRecorded(shared) : undefined);

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

const convolution =
  (layer: typeof nn.conv2d): Builder =>
  ({ x, w, b }, { stride, padding, dilation, groups }) => {
    const [channels, , ...kernel] = w!.shape as readonly number[];
    const options = { channels: channels!, kernel, stride, padding, dilation, groups, bias: b !== undefined };
    return through(layer(options), x!, { weight: w, bias: b });
  };

const transposed =
  (layer: typeof nn.convTranspose2d): Builder =>
  ({ x, w, b }, { stride, padding, dilation, groups = 1, output_padding: outputPadding }) => {
    const [, filters, ...kernel] = w!.shape as readonly number[];
    const options = { channels: filters! * groups, kernel, stride, padding, dilation, groups, bias: b !== undefined };
    return through(layer({ ...options, outputPadding }), x!, { weight: w, bias: b });
  };

const maximum =
  (layer: typeof nn.maxPool2d): Builder =>
  ({ x }, { kernel_size: kernel, stride, padding, dilation, ceil_mode: ceil }) =>
    through(layer({ kernel, stride, padding, dilation, ceil }), x!);

const average =
  (layer: typeof nn.averagePool2d): Builder =>
  ({ x }, { kernel_size: kernel, stride, padding, ceil_mode: ceil, count_include_pad: countIncludePad }) =>
    through(layer({ kernel, stride, padding, ceil, countIncludePad }), x!);

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

/** A loss that is reduced as PyTorch's. */
const reducible =
  (loss: (options: losses.ReductionOptions & { readonly beta: number }) => losses.Loss): Builder =>
  ({ x, t }, options) =>
    loss({ beta: options.beta, reduction: reductionOf(options) }).of(x!, t!);

/** Whose "batchmean" no other loss has. */
const klDivergence: Builder = ({ x, t }, options) => {
  const reduction = options.reduction === "batchmean" ? "batchmean" : reductionOf(options);
  return losses.klDivergenceWith({ reduction }).of(x!, t!);
};

const softplus: Builder = ({ x }, { beta = 1, threshold = 20 }) => {
  const steeper = core.mul(x!, beta);
  return core.where(core.greater(steeper, threshold), x!, core.div(activation.softplus(steeper), beta));
};

const batchNormalisation: Builder = ({ x, w, b, m, v }, options) => {
  const own = { weight: w, bias: b, running_mean: m, running_var: v };
  const y = through(nn.batchNorm({ epsilon: options.eps }), x!, own);
  const inputs = [x, w, b, m, v] as readonly Input[];
  return options.training ? training(makeGraph(inputs, { y })).outputs.get("y")! : y;
};

export const builders: Readonly<Record<string, Builder>> = {
  conv1d: convolution(nn.conv1d),
  conv2d: convolution(nn.conv2d),
  conv3d: convolution(nn.conv3d),
  conv_transpose1d: transposed(nn.convTranspose1d),
  conv_transpose2d: transposed(nn.convTranspose2d),
  conv_transpose3d: transposed(nn.convTranspose3d),
  max_pool1d: maximum(nn.maxPool1d),
  max_pool2d: maximum(nn.maxPool2d),
  max_pool3d: maximum(nn.maxPool3d),
  avg_pool1d: average(nn.averagePool1d),
  avg_pool2d: average(nn.averagePool2d),
  avg_pool3d: average(nn.averagePool3d),
  linear: ({ x, w, b }) =>
    x!.shape.length === 2
      ? through(nn.linear({ features: w!.shape[0] as number, bias: b !== undefined }), x!, { weight: w, bias: b })
      : linearTransform(x!, w!, b),
  relu: ({ x }) => through(nn.relu(), x!),
  tanh: ({ x }) => through(nn.tanh(), x!),
  sigmoid: ({ x }) => through(nn.sigmoid(), x!),
  silu: ({ x }) => through(nn.silu(), x!),
  hardsigmoid: ({ x }) => through(nn.hardSigmoid(), x!),
  relu6: ({ x }) => through(nn.relu6(), x!),
  elu: ({ x }, { alpha }) => through(nn.elu({ alpha }), x!),
  selu: ({ x }) => through(nn.selu(), x!),
  gelu: ({ x }, { approximate }) => through(nn.gelu({ approximate }), x!),
  hardswish: ({ x }) => through(nn.hardSwish(), x!),
  softplus,
  leaky_relu: ({ x }, { negative_slope: slope }) => through(nn.leakyRelu({ slope }), x!),
  mish: ({ x }) => through(nn.mish(), x!),
  prelu: ({ x, w }) => through(nn.prelu({ perChannel: w!.shape[0] !== 1 }), x!, { weight: w }),
  batch_norm: batchNormalisation,
  instance_norm: ({ x, w, b }, { eps: epsilon }) =>
    through(nn.instanceNorm({ epsilon, affine: true }), x!, { weight: w, bias: b }),
  group_norm: ({ x, w, b }, { eps: epsilon, groups }) =>
    through(nn.groupNorm({ epsilon, groups: groups! }), x!, { weight: w, bias: b }),
  layer_norm: ({ x, w, b }, { eps: epsilon, normalized_shape }) =>
    through(nn.layerNorm({ epsilon, over: normalized_shape.length }), x!, { weight: w, bias: b }),
  local_response_norm: ({ x }, { size, alpha, beta, k }) => through(nn.localResponseNorm({ size, alpha, beta, k }), x!),
  softmax: ({ x }, { dim: axis }) => through(nn.softmax({ axis }), x!),
  log_softmax: ({ x }, { dim }) => logSoftmax(x!, dim),
  softmax_temperature: ({ x }, { tau }) => through(nn.softmax({ tau: -tau }), x!),
  cross_entropy: crossEntropy,
  mse_loss: reducible(losses.squaredError),
  l1_loss: reducible(losses.absoluteError),
  smooth_l1_loss: reducible(losses.smoothL1),
  binary_cross_entropy_with_logits: reducible(losses.binaryCrossEntropy),
  kl_div: klDivergence,
  cosine_similarity: ({ x, t }, { dim, eps }) => losses.cosineSimilarity(x!, t!, dim, eps),
  channel_shuffle: ({ x }, { groups }) => through(nn.channelShuffle({ groups: groups! }), x!),
  ...spatialBuilders,
};
