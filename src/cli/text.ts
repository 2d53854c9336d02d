/** Words and numbers as the terminal shows them. */

/** The width that text is broken to: the terminal's, or 80 where there is none. */
export function columnsOf(stream: { readonly columns?: number } = process.stdout): number {
  return Math.max(40, stream.columns ?? 80);
}

/** Breaks text between words so that no line is longer than `width`; words that are longer stay whole. */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    const [first, ...words] = paragraph.trimStart().split(" ") as [string, ...string[]];
    let line = paragraph.slice(0, paragraph.length - paragraph.trimStart().length) + first;
    for (const word of words) {
      if (line.length + 1 + word.length > width) {
        lines.push(line);
        line = indent + word;
      } else line += ` ${word}`;
    }
    lines.push(line);
  }
  return lines.join("\n");
}

/** Text cut to `width` characters, the last of them "…" where something is left out. */
export const truncate = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

/** The same with its end kept: of `layer1.0.conv1`, what tells it from others. */
const truncateStart = (text: string, width: number): string =>
  text.length <= width ? text : `…${text.slice(text.length - width + 1)}`;

/** A whole number with thousands separators: 61,706. */
export const grouped = (value: number): string => Math.round(value).toLocaleString("en-US");

/** A part of 1 as a percentage: 98.31%. */
export const percent = (part: number, digits = 2): string => `${(100 * part).toFixed(digits)}%`;

/** A loss: 0.0312. */
export const lossText = (loss: number): string =>
  Math.abs(loss) >= 1e5 || (loss !== 0 && Math.abs(loss) < 1e-4) ? loss.toExponential(2) : loss.toFixed(4);

/** A duration as minutes and seconds, and hours where there are any: 1:20, 2:01:07. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `1 image`, `2 images`. */
export const counted = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A bar `width` characters long of which `part` is filled. */
export function bar(part: number, width: number, [full, empty]: readonly [string, string] = ["█", "░"]): string {
  const filled = Math.round(Math.min(1, Math.max(0, part)) * width);
  return full.repeat(filled) + empty.repeat(width - filled);
}

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Gives way, with "…" in place of this end of it, where the table would be wider than the terminal. */
  readonly shrinks?: "start" | "end";
}

/** A table of texts in columns two spaces apart; a row that is undefined is a rule. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[] | undefined)[],
  width = columnsOf(),
) {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, index) =>
    Math.max(titles[index]!.length, ...rows.map((row) => row?.[index]?.length ?? 0)),
  );
  const over = widths.reduce((sum, each) => sum + each + 2, -2) - width;
  const giving = columns.findIndex(({ shrinks }) => shrinks);
  if (over > 0 && giving >= 0) widths[giving] = Math.max(8, widths[giving]! - over);
  const total = widths.reduce((sum, each) => sum + each + 2, -2);
  const cell = (text: string, index: number) => {
    const cut = (columns[index]!.shrinks === "start" ? truncateStart : truncate)(text, widths[index]!);
    return columns[index]!.align === "right" ? cut.padStart(widths[index]!) : cut.padEnd(widths[index]!);
  };
  const line = (row: readonly string[]) =>
    columns
      .map((_, index) => cell(row[index] ?? "", index))
      .join("  ")
      .trimEnd();
  const rule = "─".repeat(total);
  const head = titles.some((title) => title !== "") ? [line(titles), rule] : [];
  return [...head, ...rows.map((row) => (row ? line(row) : rule))].join("\n");
}
