/** The public API of Striate. */
export {
  type FoolingPrediction,
  fourierTransform,
  type Matrix,
  type OrientationReadout,
  predictFooling,
  spectrum,
  type Transform,
} from "./analyse/frequency.ts";
export { type LowRank, type LowRankOptions, lowRank } from "./analyse/low-rank.ts";
export { type LayerSummary, type Summary, summary } from "./analyse/summary.ts";
export { type ToeplitzOptions, toeplitz } from "./analyse/toeplitz.ts";
export { type GradientOptions, gradient, gradientsOf } from "./autodiff/gradient.ts";
export { type Augmentation, randomCrop, randomFlip } from "./data/augment.ts";
export { type Batch, type BatchOptions, batches } from "./data/batches.ts";
export { cifar10 } from "./data/cifar10.ts";
export { Dataset, type DatasetParts } from "./data/dataset.ts";
export { type FolderOptions, folderDataset } from "./data/folder.ts";
export { type LinesOptions, linesData } from "./data/lines.ts";
export { mnist } from "./data/mnist.ts";
export { pictureTensor } from "./data/picture.ts";
export {
  chooseEngine,
  compile,
  type EngineChoice,
  type EngineName,
  type EngineOptions,
  type Notice,
} from "./engine/choose.ts";
export type {
  CompileOptions,
  Engine,
  EngineFacts,
  Precision,
  Program,
  ProgramReport,
  Tensors,
} from "./engine/engine.ts";
export { onednn } from "./engine/onednn/onednn.ts";
export { ort } from "./engine/ort/ort.ts";
export {
  chromeTrace,
  type ProgramProfile,
  profiled,
  type RunTime,
  type StepKind,
  type StepTime,
  type Times,
  type TraceEvent,
  timesBy,
} from "./engine/profile.ts";
export { reference } from "./engine/reference.ts";
export { type Complaint, StriateError } from "./errors.ts";
export { type Graph, makeGraph, nodesOf, printGraph, type Update, variablesOf } from "./graph/graph.ts";
export { bind, foldConstants, rewrite } from "./graph/rewrite.ts";
export { training } from "./graph/training.ts";
export {
  constant,
  type Dimension,
  type Input,
  inputValue,
  type Node,
  parameterValue,
  stateValue,
  type Value,
  type ValueType,
  type Variable,
} from "./graph/value.ts";
export { type CatalogEntry, catalog, catalogEntry } from "./models/catalog.ts";
export { type FullyConvolutionalOptions, fullyConvolutional } from "./models/fully-convolutional.ts";
export { type LeNetOptions, lenet5 } from "./models/lenet.ts";
export { linesNetwork } from "./models/lines.ts";
export { type LoadOptions, load, Model, type ModelParts } from "./models/model.ts";
export type { Preprocessing } from "./models/preprocessing.ts";
export { freeze, replaceHead } from "./models/transfer.ts";
export * from "./nn/activations.ts";
export { averagedVariables, averageWeights } from "./nn/averaging.ts";
export * from "./nn/blocks.ts";
export * from "./nn/convolution.ts";
export * from "./nn/dropout.ts";
export * from "./nn/initialisers.ts";
export * from "./nn/keypoints.ts";
export * from "./nn/linear.ts";
export * from "./nn/losses.ts";
export * from "./nn/normalisation.ts";
export * from "./nn/optimisers.ts";
export * from "./nn/patches.ts";
export * from "./nn/pooling.ts";
export * from "./nn/resampling.ts";
export {
  constantRate,
  cosineDecay,
  oneCycle,
  type PlateauOptions,
  plateauDecay,
  type Schedule,
  type ScheduleName,
  stepDecay,
  warmCosine,
} from "./nn/schedules.ts";
export { type Layer, Scope, sequential, shared } from "./nn/scope.ts";
export { step, withLoss } from "./nn/step.ts";
export { decode } from "./onnx/decode.ts";
export { encode } from "./onnx/encode.ts";
export { concat, oneHot, pad, slice } from "./ops/core/arrange.ts";
export { expandLike } from "./ops/core/broadcast.ts";
export { abs, add, cast, div, exp, greater, log, mul, neg, pow, sqrt, sub, where } from "./ops/core/elementwise.ts";
export { reduceMax, reduceMean, reduceSum } from "./ops/core/reduce.ts";
export { reshape, transpose } from "./ops/core/shape.ts";
export { matmul } from "./ops/matmul.ts";
export { logSoftmax } from "./ops/softmax.ts";
export { type Modulation, modulate } from "./stress/modulation.ts";
export { type OutOfDomainKind, outOfDomain, outOfDomainKinds } from "./stress/out-of-domain.ts";
export type { DType } from "./tensor/dtype.ts";
export { decodeNpy, encodeNpy } from "./tensor/npy.ts";
export { Random } from "./tensor/random.ts";
export { decodeSafetensors, encodeSafetensors } from "./tensor/safetensors.ts";
export { full, scalar, stack, Tensor, tensor, zeros } from "./tensor/tensor.ts";
export {
  type EvaluateEvent,
  type EvaluateOptions,
  type EvaluateResult,
  type Evaluation,
  evaluate,
  Predictor,
  predict,
} from "./train/evaluate.ts";
export {
  type EpochEvent,
  type FitEvent,
  type FitOptions,
  type FitResult,
  fit,
  type StepEvent,
  TrainingError,
} from "./train/fit.ts";
export { Run } from "./train/run.ts";
export { fitFromStarts, type StartsEvent, type StartsOptions, type StartsResult } from "./train/starts.ts";
