/** The results as text. */
import { median, type PartResult, type Ratio, type Timing } from "./measure.ts";

export const milliseconds = (seconds: number): string => {
  const value = seconds * 1000;
  return `${value.toFixed(value < 10 ? 3 : value < 1000 ? 1 : 0)} ms`;
};

export const significant = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const timingRow = ({ name, secondsPerStep }: Timing): string[] => [
  name,
  milliseconds(median(secondsPerStep)),
  milliseconds(Math.min(...secondsPerStep)),
  milliseconds(Math.max(...secondsPerStep)),
];

const ratioRow = ({ against, speed, target, met }: Ratio): string[] => [
  `against ${against}`,
  significant(speed),
  target === undefined ? "" : `at least ${target}`,
  met === undefined ? "" : met ? "met" : "NOT MET",
];

export function formatPart({ title, unit, timings, tables = [], ratios, notes }: PartResult): string {
  return [
    title,
    ...(timings.length > 0
      ? [columns([[`time a ${unit}`, "median", "fastest", "slowest"], ...timings.map(timingRow)])]
      : []),
    ...tables.map(columns),
    ...(ratios.length > 0 ? [columns([["speed of ours", "times", "target", ""], ...ratios.map(ratioRow)])] : []),
    notes.map((note) => `- ${note}`).join("\n"),
  ].join("\n\n");
}
