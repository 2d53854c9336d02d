/** `npm run fuzz`: files made wrong by their structure, each read and used as a user would. */
import { execFileSync, fork } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Report, Task } from "./child.ts";
import { type FormatName, fileOf, formatNames, formatOf } from "./formats.ts";

const usage = "Usage: npm run fuzz -- [--seed NUMBER] [--count FILES A FORMAT] [--format NAME] [--from INDEX]";
/** How long one file may take, and how much memory all of them may add. */
const longest = 10_000;
const mostGrowth = 512 * 2 ** 20;

const root = join(import.meta.dirname, "..", "..");
const kept = join(root, ".cache", "fuzz");
const archive = join(root, "..", "shared", "golden", "onnx-node-cases.tar.gz");

function asked() {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: "string", default: "1" },
        count: { type: "string", default: "10000" },
        format: { type: "string" },
        from: { type: "string", default: "0" },
      },
    });
    const whole = (name: "seed" | "count" | "from") => {
      const value = Number(values[name]);
      if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name}: found ${values[name]}`);
      return value;
    };
    const names = formatNames.filter((name) => values.format === undefined || values.format === name);
    if (names.length === 0) throw new Error(`--format: found ${values.format}; expected ${formatNames.join(", ")}`);
    return { seed: whole("seed"), count: whole("count"), from: whole("from"), names };
  } catch (error) {
    process.stderr.write(`fuzz: ${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
}

interface Stop {
  readonly index: number;
  readonly reason: string;
  readonly isSlow: boolean;
}

interface Outcome {
  /** The file at which the process stopped being of use; nothing when it came to the end. */
  readonly stop?: Stop;
  readonly failures: readonly { readonly index: number; readonly reason: string }[];
  readonly refused: number;
  readonly growth: number;
  readonly slowest: { readonly index: number; readonly milliseconds: number };
}

/** Files in a process of their own, until the end or a crash, a hang or too much memory. */
function attempt(task: Task): Promise<Outcome> {
  const child = fork(join(import.meta.dirname, "child.ts"), {
    execArgv: process.execArgv,
    stdio: ["ignore", 2, 2, "ipc"],
  });
  return new Promise((resolve) => {
    const failures: { index: number; reason: string }[] = [];
    let [at, refused, growth, since] = [task.from, 0, 0, Date.now()];
    let slowest = { index: task.from, milliseconds: 0 };
    let stop: Stop | undefined;
    let timer: NodeJS.Timeout | undefined;
    const end = (reason: string, isSlow = false) => {
      stop ??= { index: at, reason, isSlow };
      child.kill("SIGKILL");
    };
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => end(`no end after ${longest / 1000} s`, true), longest);
    };
    child.on("message", (report: Report) => {
      watch();
      at = report.index;
      if (report.kind === "start") since = Date.now();
      else if (Date.now() - since > slowest.milliseconds) slowest = { index: at, milliseconds: Date.now() - since };
      if (report.kind === "failure") failures.push({ index: report.index, reason: report.reason });
      if (report.kind !== "end") return;
      refused += report.refused ? 1 : 0;
      growth = Math.max(growth, report.growth);
      if (report.growth > mostGrowth) end(`memory grew by ${Math.round(report.growth / 2 ** 20)} MB`);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (code === 0 && at < task.to - 1) end("the process ended before the last file");
      if (code !== 0) end(`the process ended (${signal ?? `exit code ${code}`})`);
      resolve({ stop, failures, refused, growth, slowest });
    });
    child.send(task);
  });
}

const { seed, count, from, names } = asked();
const isThere = existsSync(archive);
const cases = isThere ? mkdtempSync(join(tmpdir(), "striate-fuzz-")) : undefined;
if (cases !== undefined) execFileSync("tar", ["xzf", archive, "-C", cases]);

/** Keeps a file that failed, and says how to try it again. */
function keep(name: FormatName, index: number, reason: string): void {
  mkdirSync(kept, { recursive: true });
  const path = join(kept, `${name}-${seed}-${index}.${name}`);
  writeFileSync(path, fileOf(formatOf(name, cases), seed, index));
  const again = `npm run fuzz -- --format ${name} --seed ${seed} --from ${index} --count 1`;
  process.stdout.write(`${name} ${index}: ${reason}\n  kept as ${path}; again: ${again}\n`);
}

let failed = 0;
for (const name of names) {
  const start = Date.now();
  let [next, refused, growth, wrong] = [from, 0, 0, 0];
  let slowest: Outcome["slowest"] | undefined;
  const end = from + count;
  while (next < end) {
    let outcome = await attempt({ format: name, cases, seed, from: next, to: end });
    const outcomes = [outcome];
    // On a machine that is busy with other things everything is slow: what takes as long by itself is a hang.
    if (outcome.stop?.isSlow) {
      const { index } = outcome.stop;
      outcomes[0] = { ...outcome, stop: undefined };
      outcome = await attempt({ format: name, cases, seed, from: index, to: index + 1 });
      outcomes.push(outcome);
      next = index + 1;
    } else next = outcome.stop ? outcome.stop.index + 1 : end;
    for (const each of outcomes) {
      for (const { index, reason } of [...each.failures, ...(each.stop ? [each.stop] : [])]) {
        keep(name, index, reason);
        wrong++;
      }
      refused += each.refused;
      growth = Math.max(growth, each.growth);
      if (each.slowest.milliseconds >= (slowest?.milliseconds ?? 0)) slowest = each.slowest;
    }
  }
  const seconds = Math.round((Date.now() - start) / 1000);
  const words = [
    `${count} files, ${count - refused - wrong} accepted, ${refused} refused, ${wrong} failed`,
    `memory grew by ${Math.round(growth / 2 ** 20)} MB`,
    `the slowest (${slowest?.index}) took ${((slowest?.milliseconds ?? 0) / 1000).toFixed(1)} s, all ${seconds} s`,
  ];
  process.stdout.write(`${name}: ${words.join("; ")}\n`);
  failed += wrong;
}
if (cases !== undefined) rmSync(cases, { recursive: true, force: true });
process.exitCode = failed === 0 ? 0 : 1;
