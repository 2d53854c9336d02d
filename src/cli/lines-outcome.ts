/** The figures of the running example: as the JSON document, and as the table people see. */
import type { LinesPart, LinesStudy } from "../report/lines-study.ts";
import { type Column, duration, grouped, lossText, percent, table } from "./text.ts";

const testOf = ({ test: { count, errors } }: LinesPart) => ({ count, errors });
const modulatedOf = ({ modulated: { accuracy } }: LinesPart) => ({ accuracy });

/** The document of `striate lines --json`. */
export const linesDocument = (study: LinesStudy, report: string): Record<string, unknown> => ({
  test: testOf(study.before),
  outOfDomain: Object.fromEntries(study.before.outOfDomain.map(({ kind, accuracy }) => [kind, accuracy])),
  modulated: modulatedOf(study.before),
  mended: { test: testOf(study.after), modulated: modulatedOf(study.after) },
  weights: study.before.network.weights,
  report,
  seed: study.seed,
  frequency: study.predictedFrequency,
  seconds: study.seconds,
});

const columns: readonly Column[] = [
  { title: "accuracy", shrinks: "end" },
  { title: "trained", align: "right" },
  { title: "mended", align: "right" },
];

/** The figures before and after the mend, side by side. */
export function linesText({ before, after, predictedFrequency, seconds, seed }: LinesStudy, report: string): string {
  const both = (title: string, figure: (part: LinesPart) => string) => [title, figure(before), figure(after)];
  const kinds = before.outOfDomain.map(({ kind }, index) =>
    both(`  ${kind}`, ({ outOfDomain }) => percent(outOfDomain[index]!.accuracy)),
  );
  const rows = [
    both("lines it never saw", ({ test }) => percent(1 - test.errors / test.count)),
    both(`  errors of ${grouped(before.test.count)}`, ({ test }) => grouped(test.errors)),
    ["without lines, out of domain", "", ""],
    ...kinds,
    ["horizontal lines, modulated", "", ""],
    both(`  at ${predictedFrequency.toFixed(3)} cycles a pixel, as its kernels predict`, (part) =>
      percent(part.modulated.accuracy),
    ),
    both(`  at ${before.chapter.frequency.toFixed(3)} cycles a pixel, cos(pi n / 3)`, (part) =>
      percent(part.chapter.accuracy),
    ),
  ];
  const [vertical, horizontal] = before.network.weights.map((row) => row.map(lossText).join(" "));
  return [
    table(columns, rows),
    `weights of the two kernels: vertical ${vertical}, horizontal ${horizontal}`,
    `seed ${seed}, ${duration(seconds)}`,
    `Report: ${report}`,
  ].join("\n");
}
