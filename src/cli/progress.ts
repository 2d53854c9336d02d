/**
 * Progress of long work, on standard error: one live line on a terminal; elsewhere plain lines, and few of them.
 */
import { Spinner } from "listr2";
import { columnsOf, truncate, wrap } from "./text.ts";

/** Where work has got to. */
export interface Step {
  /** How much of it is done, 0 to 1. */
  readonly part: number;
  /** In front of the bar: `epoch 3/10`. */
  readonly title: string;
  /** Behind the bar: figures. */
  readonly facts: string;
  /** The line where there is no bar; title, percentage and facts unless given. */
  readonly plain?: string;
}

export interface Progress {
  /** Where the work is now. Cheap: call it as often as there is something new. */
  step(step: Step): void;
  /** A line that stays. */
  line(text: string): void;
  /** Nothing more is shown. */
  end(): void;
}

/** Plain lines are at least this far apart. */
const plainSeconds = 2;

/** And at least this part of the work. */
const plainPart = 0.25;

class PlainProgress implements Progress {
  readonly #write: (text: string) => void;
  #title = "";
  #quarter = 0;
  #time = performance.now();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  step({ part, title, facts, plain }: Step): void {
    if (title !== this.#title) [this.#title, this.#quarter] = [title, 0];
    const quarter = Math.floor(part / plainPart + 1e-9);
    if (quarter <= this.#quarter || part >= 1) return;
    this.#quarter = quarter;
    if (performance.now() - this.#time < plainSeconds * 1000) return;
    this.line(plain ?? `${title}  ${Math.round(part * 100)}%  ${facts}`);
  }

  line(text: string): void {
    this.#time = performance.now();
    this.#write(`${wrap(text, columnsOf(process.stderr), "  ")}\n`);
  }

  end(): void {}
}

const clearLine = "\r\u001b[K";

class LiveProgress implements Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #spinner = new Spinner();
  readonly #marks: readonly [string, string];
  #step: Step | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#marks = this.#spinner.fetch() === "-" ? ["#", "."] : ["━", "─"];
  }

  step(step: Step): void {
    this.#step = step;
    if (this.#timer) return;
    this.#draw();
    // Unreferenced: the line must not keep the process alive when the work has failed.
    this.#timer = setInterval(() => {
      this.#spinner.spin();
      this.#draw();
    }, 100).unref();
  }

  line(text: string): void {
    this.#stream.write(`${clearLine}${wrap(text, columnsOf(this.#stream), "  ")}\n`);
    this.#draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#step) this.#stream.write(clearLine);
    this.#step = undefined;
  }

  #draw(): void {
    if (!this.#step) return;
    const { part, title, facts } = this.#step;
    const width = columnsOf(this.#stream) - 1;
    const room = Math.min(24, width - title.length - facts.length - 6);
    const filled = Math.round(Math.min(1, Math.max(0, part)) * room);
    const drawn = room < 5 ? "" : ` ${this.#marks[0].repeat(filled)}${this.#marks[1].repeat(room - filled)} `;
    this.#stream.write(clearLine + truncate(`${this.#spinner.fetch()} ${title}${drawn} ${facts}`, width));
  }
}

/** Progress for this process: live where standard error is a terminal that can show it. */
export function startProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const isLive = stream.isTTY && process.env.TERM !== "dumb" && process.env.CI === undefined;
  return isLive ? new LiveProgress(stream) : new PlainProgress((text) => stream.write(text));
}
