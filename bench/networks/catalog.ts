/** The networks that are measured, and where each is kept as an ONNX file that all sides start from. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonCommand, pythonEnvironment } from "../python.ts";

export interface Network {
  /** As torchvision calls it, or networks.py. */
  readonly name: string;
  readonly title: string;
  /** One image, [channels, height, width]. */
  readonly input: readonly [number, number, number];
  readonly classes: number;
  /** Images in a training step. */
  readonly batch: number;
  /** The shape of one image's labels: none for a class an image, [height, width] for a class a pixel. */
  readonly target: readonly number[];
}

const photograph = { input: [3, 224, 224], classes: 1000, batch: 8, target: [] } as const;

export const networks: readonly Network[] = [
  { name: "resnet18", title: "ResNet-18", ...photograph },
  { name: "resnet50", title: "ResNet-50", ...photograph },
  { name: "vgg16", title: "VGG-16", ...photograph },
  { name: "mobilenet_v2", title: "MobileNet v2", ...photograph },
  { name: "densenet121", title: "DenseNet-121", ...photograph },
  { name: "resnet20", title: "ResNet-20", input: [3, 32, 32], classes: 10, batch: 128, target: [] },
  { name: "unet", title: "U-Net", input: [3, 180, 240], classes: 2, batch: 4, target: [176, 240] },
  { name: "lenet5", title: "LeNet-5", input: [1, 32, 32], classes: 10, batch: 128, target: [] },
];

/** The batches in which networks predict. */
export const predicted = [1, 8] as const;

export type Work = "training" | "prediction";

/** Of training steps, which are of SGD. */
export const [learningRate, momentum] = [0.001, 0.9];

/** A network, and how many images are computed at once. */
export interface Task {
  readonly network: Network;
  readonly work: Work;
  readonly batch: number;
}

/** @param names of networks, all unless given */
export const tasksOf = (names: readonly string[], works: readonly Work[]): Task[] =>
  networks
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .flatMap((network) =>
      works.flatMap((work) =>
        (work === "training" ? [network.batch] : predicted).map((batch) => ({ network, work, batch })),
      ),
    );

/** A network's ONNX file, and images for the largest of its batches as plain float32. */
export interface Exported {
  readonly file: string;
  readonly imagesFile: string;
}

const ours = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = ours("../../.cache/bench");

/** Exports a network from PyTorch, once: the file is named by what it is made from. @throws Error when it cannot be */
export function exported(network: Network): Exported {
  const hash = createHash("sha256").update(JSON.stringify(network));
  for (const script of ["networks.py", "export.py"]) hash.update(readFileSync(ours(script)));
  const path = join(folder, `${network.name}-${hash.digest("hex").slice(0, 8)}`);
  const [file, imagesFile] = [`${path}.onnx`, `${path}.images`];
  if (existsSync(file)) return { file, imagesFile };
  mkdirSync(folder, { recursive: true });
  const fresh = `${file}-${process.pid}`;
  const images = Math.max(network.batch, ...predicted);
  const setting = { ...network, network: network.name, images, file: fresh, imagesFile };
  const made = spawnSync(pythonCommand, [ours("export.py"), JSON.stringify(setting)], {
    encoding: "utf8",
    env: { ...process.env, ...pythonEnvironment },
  });
  if (made.status !== 0) {
    const said = made.error?.message ?? made.stderr.trimEnd().split("\n").at(-1);
    throw new Error(`${pythonCommand} cannot export ${network.title} (${said}); it needs PyTorch and torchvision`);
  }
  renameSync(fresh, file);
  return { file, imagesFile };
}
