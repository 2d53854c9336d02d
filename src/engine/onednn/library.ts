/** Finds oneDNN, under the names that its versions have on each system. */
import { StriateError } from "../../errors.ts";
import { openLibrary } from "../../platform/native.ts";
import type { Dnnl } from "./dnnl.ts";
import { Dnnl2 } from "./dnnl2.ts";
import { Dnnl3 } from "./dnnl3.ts";

const names = [
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

let opened: Dnnl | undefined;

/** What is missing for oneDNN to run, in words, or nothing. */
export function missing(): string | undefined {
  if (opened) return undefined;
  const found = openLibrary(names, threading);
  if (found.missing !== undefined) return found.missing;
  opened = found.library.has(isThree) ? new Dnnl3(found.library) : new Dnnl2(found.library);
  return undefined;
}

/** @throws StriateError when there is none, with how to get it */
export function dnnl(): Dnnl {
  const lacks = missing();
  if (opened) return opened;
  throw new StriateError({
    subject: "oneDNN",
    found: `not ${lacks}`,
    expected: "oneDNN 2 or 3 and koffi",
    mend: 'Install it (Debian 12: apt-get install libdnnl2; Debian 13: libdnnl3.6; Homebrew: brew install onednn), or use the engine "ort"',
  });
}

/** How many threads the calling thread's primitives use. */
export function useThreads(count: number): void {
  const found = openLibrary(threading);
  if (found.missing === undefined) found.library.function("omp_set_num_threads", "void", ["int"])(count);
}
