/** `--profile FILE`: where the time of a command's runs went, as tables and as a trace. */
import { chromeTrace, type ProgramProfile, type Times, timesBy } from "../engine/profile.ts";
import { writeFileAtomic } from "../platform/files.ts";
import { counted, percent, table } from "./text.ts";

/** What `--profile` asks for: the trace's file, and what reads the times. */
export interface Profiling {
  readonly file: string;
  readonly read: () => Promise<readonly ProgramProfile[]>;
}

/** How many layers are listed. */
const mostLayers = 20;

/** Writes the trace. @returns what is said of it: a document, and text with a table of operators and one of layers */
export async function profileOutcome({ file, read }: Profiling) {
  const profiles = (await read()).filter(({ runs }) => runs.length > 0);
  await writeFileAtomic(file, JSON.stringify(chromeTrace(profiles)));
  const kinds = [true, false].map((changes) => ({
    work: changes ? "training" : "prediction",
    runs: profiles.filter((each) => each.changes === changes).flatMap(({ runs }) => runs),
  }));
  const works = kinds
    .filter(({ runs }) => runs.length > 0)
    .map(({ work, runs }) => ({
      work,
      runs: runs.length,
      milliseconds: runs.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / runs.length,
      operators: timesBy("operator", runs),
      layers: timesBy("layer", runs),
    }));
  const text = () =>
    [
      ...works.map(
        ({ work, runs, milliseconds, operators, layers }) =>
          `Time of ${work}: ${milliseconds.toFixed(2)} ms a run, the mean of ${counted(runs, "run")}\n\n` +
          `${asTable("operator", operators)}\n\n${asTable("layer and operator", layers.slice(0, mostLayers))}`,
      ),
      `The trace is in ${file}: open it in https://ui.perfetto.dev or chrome://tracing.`,
    ].join("\n\n");
  return { document: { file, works }, text };
}

function asTable(title: string, rows: readonly Times[]): string {
  const columns = [
    { title, shrinks: "start" },
    { title: "steps", align: "right" },
    { title: "ms", align: "right" },
    { title: "share", align: "right" },
    { title: "GFLOP/s", align: "right" },
  ] as const;
  return table(
    columns,
    rows.map(({ name, count, milliseconds, share, gigaflops }) => [
      name,
      String(Math.round(10 * count) / 10),
      milliseconds.toFixed(3),
      percent(share, 1),
      gigaflops === undefined ? "" : gigaflops.toFixed(gigaflops < 10 ? 1 : 0),
    ]),
  );
}
