/** The running example from the command line: shows progress, writes the report and both networks. */
import { StriateError } from "../errors.ts";
import { exists, isFolder, joinPath, writeFileAtomic } from "../platform/files.ts";
import { linesReport } from "../report/lines.ts";
import type { CommonOptions, Outcome } from "./command.ts";
import { chosenEngine, type RunOptions } from "./engine.ts";
import { interruptible } from "./interrupt.ts";
import { linesDocument, linesText } from "./lines-outcome.ts";
import type { LinesEvent, Part, ProgressEvent, Stage } from "./lines-progress.ts";
import { linesStudy } from "./lines-study.ts";
import { type Progress, startProgress } from "./progress.ts";
import { duration, grouped, lossText, percent } from "./text.ts";

export interface LinesOptions extends CommonOptions, RunOptions {
  readonly out: string;
}

/** The files of the example's folder. */
const files = { report: "report.html", before: "model.onnx", after: "mended.onnx" } as const;

/** Runs the study and writes what comes of it. Each network is written as soon as it is trained. */
export async function runLines({ out, seed, ...options }: LinesOptions): Promise<Outcome> {
  if ((await exists(out)) && !(await isFolder(out)))
    throw new StriateError({ subject: out, found: "a file", expected: "a folder, or nothing there yet" });
  const { profiling, ...chosen } = await chosenEngine(options);
  const run = linesStudy({ seed, ...chosen });
  const progress = startProgress();
  const shown = new LinesProgress(progress);
  const kept: string[] = [];
  const stop = () => {
    progress.line("Stopping after this step. Press Ctrl-C again to leave at once.");
    run.stop();
  };
  const work = async () => {
    for await (const event of run) {
      shown.show(event);
      if (event.kind !== "trained") continue;
      const path = joinPath(out, files[event.part]);
      await event.model.save(path);
      kept.push(path);
    }
    return run.result;
  };
  const { result, exitCode } = await interruptible(stop, () =>
    work().then(
      (study) => ({ study }),
      (error: unknown) => ({ error }),
    ),
  );
  progress.end();
  if ("study" in result) {
    const report = joinPath(out, files.report);
    await writeFileAtomic(report, await linesReport(result.study));
    const text = () => linesText(result.study, report);
    return { document: linesDocument(result.study, report), text, ranOn: result.study.ranOn, profiling, exitCode };
  }
  if (exitCode === undefined) throw result.error;
  const words = kept.length > 0 ? `Kept: ${kept.join(", ")}` : "Nothing was trained yet, and nothing is kept";
  return { document: { stopped: true, kept, seed }, text: () => `Stopped before the report. ${words}.`, exitCode };
}

const partTitles: Readonly<Record<Part, string>> = { before: "first network", after: "mended network" };

const stageTitles: Readonly<Record<Stage, string>> = {
  images: "making images",
  starts: "trying starts",
  training: "training",
  test: "testing",
  "out of domain": "out of domain",
  modulation: "modulated lines",
};

/** What is said of an event that stays on the screen. */
function lineOf(event: Extract<LinesEvent, { kind: "start" | "epoch" | "stuck" }>): string {
  if (event.kind === "start")
    return `start ${event.start}/${event.starts}  validation loss ${lossText(event.validationLoss)}`;
  if (event.kind === "epoch") {
    const { epoch, epochs, loss, accuracy, validation } = event;
    const trained = `loss ${lossText(loss)}  accuracy ${percent(accuracy)}`;
    return `epoch ${epoch}/${epochs}  ${trained}  validation ${percent(validation.accuracy)}, loss ${lossText(validation.loss)}`;
  }
  const { attempt, attempts, validationLoss, limit } = event;
  const next = attempt < attempts ? "another start follows" : "it was the last start";
  return `stuck: validation loss ${lossText(validationLoss)}, above ${limit}; ${next}`;
}

/** How much of a mean over steps is older than the last step. */
const memory = 0.95;

/** The study's events as lines that stay and one that changes. */
class LinesProgress {
  readonly #progress: Progress;
  #part: Part | undefined;
  #stage: Stage | undefined;
  #loss: number | undefined;
  #accuracy: number | undefined;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  show(event: LinesEvent): void {
    if (event.kind === "stage") this.#begin(event.part, event.stage);
    else if (event.kind === "progress") this.#step(event);
    else if (event.kind !== "trained") this.#progress.line(`  ${lineOf(event)}`);
  }

  #begin(part: Part, stage: Stage): void {
    if (part !== this.#part)
      this.#progress.line(part === "before" ? "Training on lines" : "Mending: training with modulated lines too");
    [this.#part, this.#stage] = [part, stage];
    [this.#loss, this.#accuracy] = [undefined, undefined];
    this.#progress.step({ part: 0, title: this.#title(), facts: "" });
  }

  #step({ step, steps, loss, accuracy, imagesPerSecond, secondsLeft }: ProgressEvent): void {
    const mean = (past: number | undefined, now: number) =>
      past === undefined ? now : memory * past + (1 - memory) * now;
    if (loss !== undefined) this.#loss = mean(this.#loss, loss);
    if (accuracy !== undefined) this.#accuracy = mean(this.#accuracy, accuracy);
    const facts = [
      this.#loss === undefined ? undefined : `loss ${lossText(this.#loss)}`,
      this.#accuracy === undefined ? undefined : `accuracy ${percent(this.#accuracy, 1)}`,
      `${grouped(imagesPerSecond)} images/s`,
      `${duration(secondsLeft)} left`,
    ];
    this.#progress.step({ part: step / steps, title: this.#title(), facts: facts.filter(Boolean).join("  ") });
  }

  #title(): string {
    const isTraining = this.#stage === "training" || this.#stage === "starts";
    return isTraining ? stageTitles[this.#stage!] : `${partTitles[this.#part!]}: ${stageTitles[this.#stage!]}`;
  }
}
