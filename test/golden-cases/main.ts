/** `npm run golden -- DIR`: PyTorch's recorded numbers for operators and optimisers, on the engine of STRIATE_ENGINE. */
import { chosenEngine } from "../../src/cli/engine.ts";
import { goldenFailure, isRecorded, readRecorded } from "./run.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined || !isRecorded(folder)) {
  process.stderr.write("golden: a folder with ops.json and ops.safetensors is missing. Usage: npm run golden -- DIR\n");
  process.exit(2);
}
const engine = chosenEngine();
const { cases, tensors } = readRecorded(folder);
let failed = 0;
for (const each of cases) {
  const failure = await goldenFailure(each, tensors, engine);
  if (failure === undefined) continue;
  failed += 1;
  process.stdout.write(`${each.name}: ${failure}\n`);
}
await engine.close();
process.stdout.write(`${engine.name}: ${cases.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
