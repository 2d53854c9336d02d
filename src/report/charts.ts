/** Curves as SVG inside the page, drawn by Observable Plot; colours follow the page's light and dark. */
import { html, type Markup, markup } from "./html.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly points: readonly Point[];
  /** A colour of the page's style: "ink", "soft", "vertical", "horizontal", "wrong". */
  readonly colour: string;
  readonly form: "line" | "dots" | "both" | "dashes";
}

export interface Axis {
  readonly label: string;
  readonly domain: readonly [number, number];
  /** `log` spaces decades evenly. */
  readonly scale?: "linear" | "log";
  readonly format?: (value: number) => string;
  readonly ticks?: readonly number[];
}

export interface Chart {
  /** What the chart shows, for those who cannot see it. */
  readonly alt: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Upright lines at values of x, each with a short label. */
  readonly rules?: readonly { readonly at: number; readonly label: string }[];
  /** A stretch of x that is shaded. */
  readonly band?: readonly [number, number] | undefined;
  readonly width: number;
  readonly height: number;
}

type Plot = typeof import("@observablehq/plot");

/** Plot, and a document to draw in: the page's own in a browser, linkedom's elsewhere. Loaded when the first chart is. */
async function drawing(): Promise<{ readonly plot: Plot; readonly document: Document }> {
  const plot = await import("@observablehq/plot");
  if (typeof document !== "undefined") return { plot, document };
  const { parseHTML } = await import("linkedom");
  return { plot, document: parseHTML("<!doctype html><html><body></body></html>").document };
}

const paint = (colour: string): string => `var(--${colour})`;

/** A chart at one size. */
export async function chart(options: Chart): Promise<Markup> {
  const { plot, document } = await drawing();
  const { alt, x, y, series, rules = [], band, width, height } = options;
  const marks: import("@observablehq/plot").Markish[] = [];
  if (band) marks.push(plot.rectX([band], { x1: "0", x2: "1", fill: paint("band") }));
  marks.push(plot.ruleY([y.domain[0]], { stroke: paint("line") }));
  for (const [index, { at, label }] of rules.entries()) {
    const others = rules.filter((_, other) => other !== index);
    const leftmost = others.length > 0 && others.every((other) => at <= other.at);
    marks.push(plot.ruleX([at], { stroke: paint("soft"), strokeDasharray: "2 3" }));
    marks.push(
      plot.text([label], {
        x: () => at,
        frameAnchor: "top",
        dy: -14,
        dx: leftmost ? -3 : 3,
        textAnchor: leftmost ? "end" : "start",
        fill: paint("soft"),
      }),
    );
  }
  for (const { points, colour, form } of series) {
    const data = [...points];
    if (form !== "dots")
      marks.push(
        plot.line(data, {
          x: "x",
          y: "y",
          stroke: paint(colour),
          strokeWidth: 1.75,
          strokeDasharray: form === "dashes" ? "5 4" : undefined,
        }),
      );
    if (form === "dots" || form === "both")
      marks.push(plot.dot(data, { x: "x", y: "y", fill: paint(colour), r: form === "both" ? 2.5 : 3.5 }));
  }
  const drawn = plot.plot({
    document,
    width,
    height,
    marginLeft: 46,
    marginRight: 14,
    marginTop: 34,
    marginBottom: 38,
    style: { fontSize: "12px", background: "transparent", overflow: "visible" },
    ariaLabel: alt,
    x: {
      domain: [...x.domain],
      label: x.label,
      type: x.scale ?? "linear",
      tickFormat: x.format,
      ticks: x.ticks ? [...x.ticks] : 5,
      tickSize: 4,
      labelArrow: "none",
      labelAnchor: "center",
    },
    y: {
      domain: [...y.domain],
      label: y.label,
      type: y.scale ?? "linear",
      tickFormat: y.format,
      ticks: y.ticks ? [...y.ticks] : 5,
      tickSize: 0,
      grid: true,
      clamp: true,
      labelArrow: "none",
    },
    marks,
  });
  drawn.setAttribute("role", "img");
  return markup(drawn.outerHTML);
}

/** A chart at two widths, of which the page shows the one that fits, so that its words stay readable on a phone. */
export async function responsiveChart(options: Omit<Chart, "width">, wide: number, narrow = 328): Promise<Markup> {
  const [large, small] = await Promise.all([wide, narrow].map((width) => chart({ ...options, width })));
  return html`<div class="wide">${large}</div><div class="narrow">${small}</div>`;
}

/** Powers of ten that enclose some positive numbers, for a logarithmic axis; those at or below `floor` count as it. */
export function decades(values: readonly number[], floor = 1e-5): { domain: [number, number]; ticks: number[] } {
  const usable = values.filter(Number.isFinite).map((value) => Math.max(value, floor));
  const low = Math.floor(Math.log10(Math.min(...usable, 1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...usable, 1e-30))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { domain: [10 ** low, 10 ** high], ticks };
}
