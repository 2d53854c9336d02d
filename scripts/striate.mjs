/** `npm run -s striate -- ARGS`: the command line of this checkout, built first where needed. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, root, script } from "./setup.mjs";

await script(async () => {
  ensureBuilt();
  await import(pathToFileURL(join(root, "dist", "cli", "main.js")).href);
});
