/** The machine that a command runs on, as far as it matters to engines. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Sets of instructions that engines have forms for, by Linux's names, and whether the processor has them. */
export interface Processor {
  readonly model: string;
  /** Empty where the system does not tell. */
  readonly instructions: Readonly<Record<string, boolean>>;
}

const known: Readonly<Record<string, readonly string[]>> = {
  x64: ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"],
  arm64: ["asimd", "asimdhp", "sve", "bf16", "i8mm"],
};

export function processorOf(): Processor {
  const model = cpus()[0]?.model.trim() || "unknown";
  let told: string[];
  try {
    told = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.trim().split(/\s+/) ?? [];
  } catch {
    told = [];
  }
  const names = told.length > 0 ? (known[process.arch] ?? []) : [];
  return { model, instructions: Object.fromEntries(names.map((name) => [name, told.includes(name)])) };
}
