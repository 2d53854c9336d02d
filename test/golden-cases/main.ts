/** `npm run golden -- DIR`: PyTorch's recorded numbers for operators and optimisers, on the engine of STRIATE_ENGINE. */
import { engineOfEnvironment } from "../../src/cli/engine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { isRecorded, type Recorded, readRecorded } from "../check/golden.ts";
import { goldenFailure } from "./run.ts";

const usage = "Usage: npm run golden -- DIR, a folder with ops.json and ops.safetensors";

/** What the command line asks for, or the end of it. */
async function opened([folder, ...more]: readonly string[]): Promise<{ engine: Engine; recorded: Recorded }> {
  try {
    if (folder === undefined) throw new Error("a folder is missing");
    if (more.length > 0) throw new Error(`found ${more.join(" ")} after the folder`);
    if (!isRecorded(folder)) throw new Error(`${folder} does not have both files`);
    return { engine: await engineOfEnvironment(), recorded: readRecorded(folder) };
  } catch (error) {
    process.stderr.write(`golden: ${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
}

const { engine, recorded } = await opened(process.argv.slice(2));
let failed = 0;
for (const each of recorded.cases) {
  const failure = await goldenFailure(each, recorded.tensors, engine);
  if (failure === undefined) continue;
  failed += 1;
  process.stdout.write(`${each.name}: ${failure}\n`);
}
await engine.close();
process.stdout.write(`${engine.name}: ${recorded.cases.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
