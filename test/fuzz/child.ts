/** The process in which files are tried: what it does is watched by the one that started it. */
import { StriateError } from "../../src/errors.ts";
import { Random } from "../../src/tensor/random.ts";
import { type FormatName, fileOf, formatOf } from "./formats.ts";

export interface Task {
  readonly format: FormatName;
  readonly cases: string | undefined;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** What the process says: which file it is at, and how each went. */
export type Report =
  | { readonly kind: "start"; readonly index: number }
  | { readonly kind: "end"; readonly index: number; readonly refused: boolean; readonly growth: number }
  | { readonly kind: "failure"; readonly index: number; readonly reason: string };

/** Resolves when it is said: what waits to be would be lost with the process. */
const say = (report: Report): Promise<unknown> =>
  new Promise((resolve) => process.send!(report, undefined, undefined, resolve));

/** The most memory that this process ever held, in bytes. */
const most = (): number => process.resourceUsage().maxRSS * 1024;

process.once("message", async ({ format: name, cases, seed, from, to }: Task) => {
  const format = formatOf(name, cases);
  // Everything is loaded, compiled and started before memory is compared.
  for (let index = 0; index < 30; index++)
    await format.use(format.make(new Random(0, "warm", index))).catch(() => undefined);
  const start = most();
  for (let index = from; index < to; index++) {
    await say({ kind: "start", index });
    const bytes = fileOf(format, seed, index);
    let refused = false;
    try {
      await format.use(bytes);
    } catch (error) {
      refused = true;
      if (!(error instanceof StriateError)) {
        await say({ kind: "failure", index, reason: (error as Error)?.stack ?? String(error) });
        continue;
      }
    }
    await say({ kind: "end", index, refused, growth: most() - start });
  }
  process.disconnect();
  process.exit();
});
