/** The native engine: oneDNN, where the library is installed, in a thread of its own or, for little work, in the calling one. */
import type { Engine } from "../engine.ts";
import { ThreadEngine } from "../thread.ts";
import { lower } from "./lower.ts";
import { isSmall } from "./small.ts";
import { startEngine, startNear } from "./start.ts";

/** oneDNN, of version 2 or 3. Its thread starts with the first program and does not keep a process alive. */
export const onednn: Engine = new ThreadEngine({
  name: "onednn",
  title: "oneDNN",
  start: startEngine,
  lower,
  takesConstants: false,
  precisions: ["float32", "bfloat16", "auto"],
  near: { fits: isSmall, start: startNear },
});
