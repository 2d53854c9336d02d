/** What crosses between a program's near end and the thread that runs it. */
import type { DType, TypedArray } from "../tensor/dtype.ts";
import type { EngineFacts, Precision, ProgramReport } from "./engine.ts";

/** A tensor as it crosses between threads. */
export interface PlainTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

export type PlainTensors = Readonly<Record<string, PlainTensor>>;

/** What the thread knows of its engine. */
export type AboutAnswer = Pick<EngineFacts, "version" | "library" | "instructions" | "auto">;

/** What the thread knows of how a program ran. */
export type ReportAnswer = Omit<ProgramReport, "engine">;

export interface OpenRequest {
  readonly program: number;
  readonly model: Uint8Array;
  readonly threads: number;
  /** The variables that are written before the first run. */
  readonly variables: readonly string[];
  /** Those that runs change. */
  readonly updates: readonly string[];
  readonly outputs: readonly string[];
  readonly finite: readonly string[];
  readonly irreversible: readonly string[];
  readonly precision: Precision;
  readonly profile: boolean;
}

export interface RunRequest {
  readonly program: number;
  readonly feeds: PlainTensors;
  /** The buffers that feeds came in, to be sent back. */
  readonly lent: ArrayBuffer[];
}

export interface RunAnswer {
  readonly outputs: PlainTensors;
  readonly lent: readonly ArrayBuffer[];
}
