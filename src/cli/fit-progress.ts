/** Training as the terminal shows it. */
import type { EpochEvent, FitEvent, StepEvent } from "../train/fit.ts";
import { type Progress, startProgress } from "./progress.ts";
import { duration, grouped, lossText, percent } from "./text.ts";

/**
 * Shows loss and accuracy (means over the epoch so far), images per second and time left: a line that changes where there
 * is a terminal, and a table with a row for each epoch that stays.
 */
export class FitProgress {
  readonly #progress: Progress = startProgress();
  #hasHead = false;
  #made = 0;
  #loss = 0;
  #accuracy = 0;
  #last: StepEvent | undefined;

  show(event: FitEvent): void {
    if (!this.#hasHead)
      this.#progress.line(row(event, ["epoch", "loss", "accuracy", "validation", "images/s", "left"]));
    this.#hasHead = true;
    if (event.kind === "epoch") this.#epoch(event);
    else this.#step(event);
  }

  line(text: string): void {
    this.#progress.line(text);
  }

  end(): void {
    this.#progress.end();
  }

  #step(event: StepEvent): void {
    const { step, steps, epoch, epochs } = event;
    this.#last = event;
    this.#made += 1;
    this.#loss += event.loss;
    this.#accuracy += event.accuracy;
    const loss = lossText(this.#loss / this.#made);
    const accuracy = this.#accuracy / this.#made;
    const speed = grouped(event.imagesPerSecond);
    const left = duration(event.secondsLeft);
    const part = (step * epochs) / steps - (epoch - 1);
    this.#progress.step({
      part,
      title: `epoch ${epoch}/${epochs}`,
      facts: `loss ${loss}  accuracy ${percent(accuracy, 1)}  ${speed} images/s  ${left} left`,
      plain: row(event, [`${epoch}/${epochs} ${percent(part, 0)}`, loss, percent(accuracy), "", speed, left]),
    });
  }

  #epoch(event: EpochEvent): void {
    const { epoch, epochs, loss, top1, validation } = event;
    const measured = validation ? percent(validation.top1) : "";
    const speed = grouped(this.#last?.imagesPerSecond ?? 0);
    const left = duration(this.#last?.secondsLeft ?? 0);
    this.#progress.line(row(event, [`${epoch}/${epochs}`, lossText(loss), percent(top1), measured, speed, left]));
    [this.#made, this.#loss, this.#accuracy] = [0, 0, 0];
  }
}

/** A row of the table: the first cell, wide enough for any `epoch/epochs 50%`, to the left and the others to the right. */
function row({ epochs }: FitEvent, [first, ...others]: readonly string[]): string {
  const widths = [8, 8, 10, 9, 8];
  const cells = others.map((cell, index) => cell.padStart(widths[index]!));
  return [first!.padEnd(2 * String(epochs).length + 5), ...cells].join("  ");
}
