/** `npm run zoo -- [NAME…]`: torchvision's convnets, exported as ONNX and compared with PyTorch's own numbers. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, packaged, root, script } from "./setup.mjs";

await script(() => {
  ensureInstalled();
  const main = [packaged("tsx/dist/cli.mjs"), join(root, "test", "zoo", "main.ts"), ...process.argv.slice(2)];
  const { status, signal } = spawnSync(process.execPath, main, { stdio: "inherit" });
  process.exitCode = signal ? 130 : (status ?? 1);
});
