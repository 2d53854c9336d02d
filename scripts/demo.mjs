/** `npm run demo`: the running example from a fresh checkout, with its report. Options go to `striate lines`. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, root, script } from "./setup.mjs";

await script(async () => {
  process.stderr.write("Setting up\n");
  ensureBuilt();
  process.argv.splice(2, 0, "lines");
  await import(pathToFileURL(join(root, "dist", "cli", "main.js")).href);
});
