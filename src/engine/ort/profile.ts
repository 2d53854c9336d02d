/** ONNX Runtime's own profile of a session, which it writes to a file, as the times of runs. */
import type { InferenceSession } from "onnxruntime-common";
import { joinPath, listFolder, readFile, type TemporaryFolder, temporaryFolder } from "../../platform/files.ts";
import { mostRuns, type RunTime } from "../profile.ts";

/** An event as the runtime writes it, times in microseconds. */
export interface RuntimeEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

const kernel = /_kernel_time$/;

/**
 * The runs in a profile of the runtime's, the first left out where there are others. A kernel's name is the node's, or
 * that of a node that it was fused with, and begins with the path of its layer.
 */
export function runsOf(events: readonly RuntimeEvent[]): RunTime[] {
  // A Scan's time is that of the kernels within it.
  const kernels = events.filter(
    ({ cat, name, args }) => cat === "Node" && kernel.test(name) && args.op_name !== "Scan",
  );
  const runs = events
    .filter(({ name }) => name === "model_run")
    .map(({ ts, dur }) => ({
      start: ts / 1000,
      milliseconds: dur / 1000,
      steps: kernels
        .filter((each) => each.ts >= ts && each.ts < ts + dur)
        .map(({ name, args, ts: start, dur: length }) => ({
          operator: args.op_name ?? "unknown",
          scope: name.slice(0, Math.max(0, name.lastIndexOf("/"))),
          macs: 0,
          start: start / 1000,
          milliseconds: length / 1000,
        })),
    }));
  return runs.slice(runs.length > 1 ? 1 : 0);
}

/** Has a session write its profile until enough runs are in it. */
export class SessionProfile {
  readonly #folder: TemporaryFolder;
  #left = 1 + mostRuns;
  #runs: RunTime[] | undefined;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  static async start(): Promise<SessionProfile> {
    return new SessionProfile(await temporaryFolder());
  }

  /** What the session is to be made with. */
  get options(): InferenceSession.SessionOptions {
    return { enableProfiling: true, profileFilePrefix: joinPath(this.#folder.path, "profile") };
  }

  /** To be told of every run: the file grows by a kilobyte for each of its kernels. */
  ran(session: InferenceSession): void {
    this.#left--;
    if (this.#left === 0) session.endProfiling();
  }

  /** The runs so far; those after the first time that it is asked are not in it. */
  async runs(session: InferenceSession): Promise<readonly RunTime[]> {
    if (this.#runs) return this.#runs;
    if (this.#left > 0) session.endProfiling();
    this.#left = 0;
    const [file] = await listFolder(this.#folder.path);
    this.#runs = runsOf(JSON.parse(new TextDecoder().decode(await readFile(file!.path))));
    await this.remove();
    return this.#runs;
  }

  remove(): Promise<void> {
    return this.#folder.remove();
  }
}
