/** How long `striate predict` takes on one picture, the start of the process included. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { type Contender, interleaved, median, type PartResult, timed } from "./measure.ts";
import { model } from "./network.ts";

/** Seconds. */
const target = 1.5;

const commandLine = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

function runNode(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`striate predict failed: ${said}`))));
  });
}

const command = (name: string, args: readonly string[]): Contender => ({
  name,
  run: (steps) => timed(steps, () => runNode(args)),
  close: async () => {},
});

export async function startPart(): Promise<PartResult> {
  const folder = await mkdtemp(join(tmpdir(), "striate-bench-"));
  try {
    const preprocessing = { channels: 1, height: 28, width: 28, padding: 2, mean: [0.1307], std: [0.3081] } as const;
    await model.with({ preprocessing }).save(join(folder, "model.onnx"));
    const picture = join(folder, "picture.png");
    const background = { r: 0, g: 0, b: 0 };
    await sharp({ create: { width: 28, height: 28, channels: 3, background } })
      .png()
      .toFile(picture);
    const [own, bare] = await interleaved(
      [
        command("striate predict", [commandLine, "predict", folder, picture, "--json"]),
        command("node, doing nothing", ["-e", ""]),
      ],
      0,
    );
    const wall = median(own!.secondsPerStep);
    return {
      title: "striate predict on one picture, start included",
      unit: "call",
      timings: [own!, bare!],
      ratios: [{ against: `${target} s allowed`, speed: target / wall, target: 1, met: wall < target }],
      notes: ["The picture is a PNG of 28x28, the model a run folder."],
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
