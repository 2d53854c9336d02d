/** `npm run bench`: the speed comparisons. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureBuilt, packaged, root, script } from "./setup.mjs";

await script(() => {
  ensureBuilt();
  const main = [packaged("tsx/dist/cli.mjs"), join(root, "bench", "main.ts"), ...process.argv.slice(2)];
  const { status, signal } = spawnSync(process.execPath, main, { cwd: root, stdio: "inherit" });
  process.exitCode = signal ? 130 : (status ?? 1);
});
