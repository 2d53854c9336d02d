/** The examples of docstrings, of the README and of docs/ are programs: each is type-checked and run. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { conv2d, globalAveragePool, linear, Model, Random, sequential } from "../src/index.ts";
import { encodePng } from "../src/platform/image.ts";
import { filesBelow, read, root } from "./sources.ts";

interface Example {
  readonly name: string;
  readonly code: string;
}

const folder = join(root, ".cache", "examples");

/** What stands after `@example` in doc comments. */
function fromComments(path: string): Example[] {
  const comments = [...read(path).matchAll(/\/\*\*[\s\S]*?\*\//g)].map(([comment]) => comment);
  return comments
    .flatMap((comment) => comment.split("@example").slice(1))
    .map(
      (text) =>
        text
          .replace(/\*\/$/, "")
          .replace(/^ *\* ?/gm, "")
          .split(/^@\w/m)[0]!,
    )
    .map((code) => code.replaceAll('from "./', `from "../../${dirname(path)}/`))
    .map((code, index) => ({ name: `${path} ${index + 1}`, code }));
}

/** The TypeScript blocks of a page. */
const fromPage = (path: string): Example[] =>
  [...read(path).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], index) => ({
    name: `${path} ${index + 1}`,
    code: code!,
  }));

const fromFile = (path: string): Example => ({ name: path, code: read(path) });

const examples = [
  ...filesBelow("examples", ".ts").map(fromFile),
  ...filesBelow("src", ".ts").flatMap(fromComments),
  ...fromPage("README.md"),
  ...filesBelow("docs", ".md").flatMap(fromPage),
];

const fileOf = ({ name }: Example): string => join(folder, `${name.replace(/[^\w]+/g, "-")}.ts`);

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const example of examples) writeFileSync(fileOf(example), `${example.code}\nexport {};\n`);
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.json",
    compilerOptions: { noUnusedLocals: false },
    include: ["*.ts"],
  }),
);

/** A few digits where examples look for them: four IDX files. */
function makeDigits(to: string): void {
  const count = 300;
  const header = (magic: number, ...lengths: number[]) => {
    const view = new DataView(new ArrayBuffer(4 + 4 * lengths.length));
    for (const [index, value] of [magic, ...lengths].entries()) view.setUint32(4 * index, value);
    return new Uint8Array(view.buffer);
  };
  mkdirSync(to, { recursive: true });
  for (const part of ["train", "t10k"]) {
    const pixels = Uint8Array.from({ length: count * 784 }, (_, index) => (index * 7919) % 256);
    const labels = Uint8Array.from({ length: count }, (_, index) => index % 10);
    writeFileSync(join(to, `${part}-images-idx3-ubyte`), Buffer.concat([header(0x803, count, 28, 28), pixels]));
    writeFileSync(join(to, `${part}-labels-idx1-ubyte`), Buffer.concat([header(0x801, count), labels]));
  }
}

/** A few coloured pictures where examples look for them: CIFAR-10's files, folders by class, and a network for them. */
async function makePictures(to: string): Promise<void> {
  const random = new Random(1, "pictures");
  const bytes = (length: number) => Uint8Array.from({ length }, () => random.integer(0, 255));
  const records = Buffer.concat(Array.from({ length: 4 }, (_, label) => [Uint8Array.of(label), bytes(3072)]).flat());
  mkdirSync(join(to, "cifar10"), { recursive: true });
  for (const name of ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"])
    writeFileSync(join(to, "cifar10", `${name}.bin`), records);
  for (const place of ["train/cat", "train/dog", "test/cat", "test/dog"]) {
    mkdirSync(join(to, "pictures", place), { recursive: true });
    for (let index = 0; index < 4; index++) {
      const png = await encodePng({ width: 32, height: 32, channels: 3, data: bytes(3072) });
      writeFileSync(join(to, "pictures", place, `${index}.png`), png);
    }
  }
  const network = sequential({
    conv: conv2d({ channels: 4, kernel: 3 }),
    pool: globalAveragePool(),
    fc: linear({ features: 2 }),
  });
  await Model.build(network, { name: "pretrained", input: [3, 32, 32] }).save(join(to, "pretrained.onnx"));
}

const home = process.cwd();

describe("examples", () => {
  beforeAll(async () => {
    makeDigits(join(folder, "data", "mnist"));
    await makePictures(join(folder, "data"));
    process.chdir(folder);
  });
  afterAll(() => process.chdir(home));
  beforeEach(() => {
    vi.spyOn(console, "assert").mockImplementation((condition) => {
      if (!condition) throw new Error("console.assert: the example says what is not so");
    });
    vi.spyOn(console, "log").mockImplementation(() => {});
  });
  afterEach(() => vi.restoreAllMocks());

  test("there are some, in the README too", () => {
    expect(examples.length).toBeGreaterThan(10);
    expect(examples.some(({ name }) => name.startsWith("README.md"))).toBe(true);
  });

  test("they type-check", () => {
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "-p", join(folder, "tsconfig.json")], {
      encoding: "utf8",
    });
    expect(stdout).toBe("");
  }, 60_000);

  for (const example of examples)
    test(`${example.name} runs`, async () => {
      await import(fileOf(example));
    }, 60_000);
});
