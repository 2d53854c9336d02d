/** Libraries of the system, called through koffi, an optional dependency. The browser's twin is native.browser.ts. */
import { createRequire } from "node:module";
import type { NativeLibrary, Opened } from "./native-terms.ts";

type Koffi = typeof import("koffi");

/** RTLD_NOW | RTLD_NODELETE, as glibc and musl number them. */
const pinned = 2 | 0x1000;
const numbers: Readonly<Record<string, number>> = { darwin: 2 | 0x80, linux: pinned };

/**
 * Opens the first of these libraries that there is; those of `before` are loaded first. All stay loaded until the process
 * ends: unmapping a library whose threads live (OpenMP's do) ends the process.
 */
export function openLibrary(names: readonly string[], before: readonly string[] = []): Opened {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)("koffi") as Koffi;
  } catch {
    return { missing: "the package koffi, an optional dependency (npm install koffi)" };
  }
  for (const name of before) pin(koffi, name);
  const name = names.find((each) => pin(koffi, each));
  if (name === undefined) return { missing: `a library named ${names.join(", ")}` };
  const library = koffi.load(name);
  const functions = new Map<string, ReturnType<NativeLibrary["function"]>>();
  return {
    library: {
      name,
      function: (symbol, result, parameters) => {
        const known = functions.get(symbol) ?? (library.func(symbol, result, [...parameters]) as never);
        functions.set(symbol, known);
        return known;
      },
      has: (symbol) => {
        try {
          library.func(symbol, "void", []);
          return true;
        } catch {
          return false;
        }
      },
      addressOf: (buffer) => Number(koffi.address(buffer)),
    } satisfies NativeLibrary,
  };
}

/** Whether there is such a library; if so it stays for good. */
function pin(koffi: Koffi, name: string): boolean {
  if (process.platform === "win32") return loads(koffi, name);
  const system = koffi.load(null);
  const dlopen = system.func("dlopen", "uintptr_t", ["str", "int"]);
  return Number(dlopen(name, numbers[process.platform] ?? pinned)) !== 0;
}

function loads(koffi: Koffi, name: string): boolean {
  try {
    koffi.load(name);
    return true;
  } catch {
    return false;
  }
}
