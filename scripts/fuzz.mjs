/** `npm run fuzz`: files made wrong by their structure, each read and used as a user would. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, packaged, root, script } from "./setup.mjs";

await script(() => {
  ensureInstalled();
  const main = [packaged("tsx/dist/cli.mjs"), join(root, "test", "fuzz", "main.ts"), ...process.argv.slice(2)];
  const { status, signal } = spawnSync(process.execPath, main, { stdio: "inherit" });
  process.exitCode = signal ? 130 : (status ?? 1);
});
