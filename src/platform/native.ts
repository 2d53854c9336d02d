/**
 * Libraries of the system, called through koffi, an optional dependency. The browser's twin is native.browser.ts. In a
 * thread that is being ended, koffi aborts the process where it makes something for JavaScript; calls with numbers it
 * makes even there.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import type { NativeLibrary, Opened } from "./native-terms.ts";
import { unbrokenCall } from "./worker.ts";

type Koffi = typeof import("koffi");

/** RTLD_NOW | RTLD_NODELETE, as glibc and musl number them. */
const pinned = 2 | 0x1000;
const numbers: Readonly<Record<string, number>> = { darwin: 2 | 0x80, linux: pinned };

/** @throws Error when the package is not installed */
const ffi = (): Koffi => createRequire(import.meta.url)("koffi") as Koffi;

/** Folders of package managers in which the system does not look by itself: conda's, and Homebrew's two. */
const folders = (): readonly string[] => [
  ...(process.env.CONDA_PREFIX ? [join(process.env.CONDA_PREFIX, "lib")] : []),
  ...(process.platform === "darwin" ? ["/opt/homebrew/lib", "/usr/local/lib"] : []),
];

/**
 * Opens the first of these libraries that there is; those of `before` are loaded first. All stay loaded until the process
 * ends: unmapping a library whose threads live (OpenMP's do) ends the process.
 */
export const openLibrary = (names: readonly string[], before: readonly string[] = []): Opened =>
  unbrokenCall(() => opened(names, before));

function opened(names: readonly string[], before: readonly string[]): Opened {
  let koffi: Koffi;
  try {
    koffi = ffi();
  } catch {
    return { missing: "no package koffi", mend: "Install it: npm install koffi" };
  }
  for (const name of before) pin(koffi, name);
  const own = names.filter((name) => name.endsWith(".dylib") === (process.platform === "darwin"));
  const broken: string[] = [];
  const path = [...own, ...folders().flatMap((folder) => own.map((name) => join(folder, name)))].find((each) => {
    const failure = pin(koffi, each);
    if (failure !== undefined && !/no such file|not found/i.test(failure)) broken.push(failure);
    return failure === undefined;
  });
  if (path === undefined) {
    const why = broken.length > 0 ? ` that loads (${broken.join("; ")})` : "";
    return { missing: `no library named ${own.join(", ")}${why}` };
  }
  const library = koffi.load(path);
  const functions = new Map<string, ReturnType<NativeLibrary["function"]>>();
  return {
    library: {
      name: path,
      function: (symbol, result, parameters) => {
        const known =
          functions.get(symbol) ?? (unbrokenCall(() => library.func(symbol, result, [...parameters])) as never);
        functions.set(symbol, known);
        return known;
      },
      has: (symbol) => unbrokenCall(() => has(library, symbol)),
      bytesAt: (address, count) => unbrokenCall(() => koffi.view(BigInt(address), count).slice(0)),
      fileOf: (symbol) => unbrokenCall(() => fileOf(koffi, path, symbol)),
      addressOf: (buffer) => unbrokenCall(() => Number(koffi.address(buffer))),
    } satisfies NativeLibrary,
  };
}

/** Bytes of a large page, and what asks Linux for such pages (MADV_HUGEPAGE). */
const largePage = 2 ** 21;
const hugePages = 14;

/**
 * Asks the system to hold a buffer's bytes in pages of 2 MB, of which a processor keeps track more easily. It may have none
 * to give; the bytes that are used already stay where they are.
 */
export function inLargePages(buffer: ArrayBuffer): void {
  if (process.platform === "linux") unbrokenCall(() => adviseLargePages(buffer));
}

function adviseLargePages(buffer: ArrayBuffer): void {
  const koffi = ffi();
  const address = Number(koffi.address(buffer));
  const from = Math.ceil(address / largePage) * largePage;
  const bytes = Math.floor((address + buffer.byteLength - from) / largePage) * largePage;
  if (bytes <= 0) return;
  koffi.load(null).func("madvise", "int", ["uintptr_t", "size_t", "int"])(from, bytes, hugePages);
}

function has(library: ReturnType<Koffi["load"]>, symbol: string): boolean {
  try {
    library.func(symbol, "void", []);
    return true;
  } catch {
    return false;
  }
}

/** Loads a library, which then stays for good. @returns why it could not be, or nothing */
function pin(koffi: Koffi, path: string): string | undefined {
  if (process.platform === "win32") return loadFailure(koffi, path);
  const system = koffi.load(null);
  const dlopen = system.func("dlopen", "uintptr_t", ["str", "int"]);
  const dlerror = system.func("dlerror", "str", []);
  if (Number(dlopen(path, numbers[process.platform] ?? pinned)) !== 0) return undefined;
  return dlerror() ?? "not found";
}

function loadFailure(koffi: Koffi, path: string): string | undefined {
  try {
    koffi.load(path);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the system's loader says of the address of a function (dladdr: the first of its answers is the file). */
function fileOf(koffi: Koffi, path: string, symbol: string): string | undefined {
  if (process.platform === "win32") return undefined;
  const system = koffi.load(null);
  const handle = system.func("dlopen", "uintptr_t", ["str", "int"])(path, numbers[process.platform] ?? pinned);
  const address = system.func("dlsym", "uintptr_t", ["uintptr_t", "str"])(handle, symbol);
  const told = new BigUint64Array(4);
  if (system.func("dladdr", "int", ["uintptr_t", "void *"])(address, told) === 0) return undefined;
  return koffi.decode.string(told[0]);
}
