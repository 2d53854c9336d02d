/** Finds oneDNN, under the names that its versions have on each system. */
import { type Complaint, StriateError } from "../../errors.ts";
import { openLibrary } from "../../platform/native.ts";
import type { NativeLibrary } from "../../platform/native-terms.ts";
import type { AboutAnswer } from "../protocol.ts";
import type { Dnnl } from "./dnnl.ts";
import { Dnnl2 } from "./dnnl2.ts";
import { Dnnl3 } from "./dnnl3.ts";

/** What the library's file may be called. */
export const libraryNames = [
  "libdnnl.so.3",
  "libdnnl.so.3.7",
  "libdnnl.so.3.6",
  "libdnnl.so.2",
  "libdnnl.3.dylib",
  "libdnnl.2.dylib",
];
const threading = ["libgomp.so.1"];

/** Functions of version 3 alone. */
const isThree = "dnnl_memory_desc_create_with_strides";

const howToInstall =
  "Install it: apt-get install libdnnl2 (Debian 12), apt-get install libdnnl3.6 (Debian 13), " +
  "brew install onednn, or conda install -c conda-forge onednn";

let opened: { readonly library: NativeLibrary; readonly dnnl: Dnnl } | undefined;

/** What is missing for oneDNN to run, with how to get it, or nothing. */
export function missing(): Pick<Complaint, "found" | "mend"> | undefined {
  if (opened) return undefined;
  const found = openLibrary(libraryNames, threading);
  if (found.missing !== undefined) return { found: found.missing, mend: found.mend ?? howToInstall };
  const { library } = found;
  opened = { library, dnnl: library.has(isThree) ? new Dnnl3(library) : new Dnnl2(library) };
  return undefined;
}

/** @throws StriateError when there is none, with how to get it */
function found(): NonNullable<typeof opened> {
  const lacks = missing();
  if (opened) return opened;
  throw new StriateError({ subject: 'engine "onednn"', expected: "oneDNN 2 or 3", ...lacks! });
}

/** @throws StriateError when there is none, with how to get it */
export const dnnl = (): Dnnl => found().dnnl;

let threadsNow: number | undefined;

/**
 * How many threads the calling thread's primitives use from now on, where the library's runtime is an OpenMP. A primitive
 * must run with as many as it was made for.
 */
export function useThreads(count: number): void {
  if (count === threadsNow) return;
  threadsNow = count;
  const { library } = found();
  const symbol = "omp_set_num_threads";
  if (library.has(symbol)) library.function(symbol, "void", ["int"])(count);
}

/**
 * Ends the threads that wait for the calling thread's next primitive. OpenMP's threads wait by spinning only while no two
 * teams want more cores than there are: else they sleep at once, and networks take twice as long.
 */
export function endTeam(): void {
  const { library } = found();
  const [symbol, soft] = ["omp_pause_resource_all", 1];
  if (library.has(symbol)) library.function(symbol, "int", ["int"])(soft);
}

/** Instruction sets by the bits that tell them, the largest first; two numbers where the versions differ. */
const instructionSets: readonly (readonly [name: string, two: number, three?: number])[] = [
  ["AVX512_CORE_AMX_FP16", Number.NaN, 0x1fef],
  ["AVX512_CORE_AMX", 0x3e7, 0xfef],
  ["AVX512_CORE_FP16", Number.NaN, 0x1ef],
  ["AVX512_CORE_BF16", 0xe7],
  ["AVX512_CORE_VNNI", 0x67],
  ["AVX512_CORE", 0x27],
  ["AVX2_VNNI_2", Number.NaN, 0x1f],
  ["AVX2_VNNI", 0x407, 0xf],
  ["AVX2", 0x7],
  ["AVX", 0x3],
  ["SSE41", 0x1],
];

/** The library's version and file, and the instruction set that it uses. @throws StriateError when there is none */
export function libraryFacts(): AboutAnswer {
  const { library, dnnl } = found();
  const three = dnnl instanceof Dnnl3;
  const address = library.function("dnnl_version", "uintptr_t", [])();
  const version = [...new Int32Array(library.bytesAt(address, 12))].join(".");
  const effective = library.function("dnnl_get_effective_cpu_isa", "int", [])();
  const known = instructionSets.find(([, two, other = two]) => effective === (three ? other : two));
  return {
    version,
    library: library.fileOf("dnnl_version"),
    instructions: known?.[0] ?? (effective === 0 ? "the processor's own" : `number ${effective}`),
  };
}
