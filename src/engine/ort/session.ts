/** What ONNX Runtime's package is asked for: sessions, and tensors in its form and in ours. */
import type { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-common";
import { unbroken } from "../../platform/worker.ts";
import type { DType, TypedArray } from "../../tensor/dtype.ts";
import type { PlainTensor } from "../protocol.ts";
import { runtime } from "./runtime.ts";

export const version: string = runtime.env.versions.common;

/** Errors are thrown, and said once. */
const quiet = { logSeverityLevel: 4 } as const;

export const createSession = (
  model: Uint8Array,
  threads: number,
  options: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> =>
  unbroken(() =>
    runtime.InferenceSession.create(model, {
      ...options,
      ...quiet,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      enableMemPattern: false,
    }),
  );

export const runSession = (session: InferenceSession, feeds: InferenceSession.FeedsType) =>
  unbroken(() => session.run(feeds, quiet));

/** The same elements, not a copy of them. */
export const toRuntime = ({ dtype, shape, data }: PlainTensor): RuntimeTensor =>
  new runtime.Tensor(dtype as "float32", data as Float32Array<ArrayBuffer>, shape);

export const toPlain = (tensor: RuntimeTensor): PlainTensor => ({
  dtype: tensor.type as DType,
  shape: tensor.dims,
  data: tensor.data as TypedArray,
});
