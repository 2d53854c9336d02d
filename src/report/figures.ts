/** Numbers as pictures inside the page: images, kernels and spectra as PNG data URIs, with their axes and colour bars. */
import { StriateError } from "../errors.ts";
import { encodePng } from "../platform/image.ts";
import { type ColourMap, cssGradient, diverging, greys, sequential } from "./colours.ts";
import { html, type Insertion, type Markup } from "./html.ts";
import { fixed, precise } from "./words.ts";

/** How numbers become colours: the two ends of the map, and the curve between them. */
export interface HeatMapOptions {
  readonly map: ColourMap;
  readonly low: number;
  readonly high: number;
  /** `linear` unless given; `log` shows the decades between low and high, which must then be above 0. */
  readonly scale?: "linear" | "log";
}

/** The side of a square image of `length` pixels. @throws StriateError when it is not square. */
export function sideOf(length: number, subject: string): number {
  const side = Math.round(Math.sqrt(length));
  if (side < 1 || side * side !== length)
    throw new StriateError({ subject, found: `${length} numbers`, expected: "a square image, such as 64 x 64 = 4096" });
  return side;
}

/** Bytes of a PNG file as an address that holds them. */
function dataAddress(bytes: Uint8Array): string {
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000)
    text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  return `data:image/png;base64,${btoa(text)}`;
}

/** A square image of numbers, row by row, as a PNG data URI, one pixel a number. */
export async function heatMap(
  values: Float32Array,
  { map, low, high, scale = "linear" }: HeatMapOptions,
): Promise<string> {
  const side = sideOf(values.length, "heatMap");
  const bend = scale === "log" ? (value: number) => Math.log(Math.max(value, low)) : (value: number) => value;
  const [from, to] = [bend(low), bend(high)];
  const reach = to > from ? to - from : 1;
  const data = new Uint8Array(values.length * 3);
  for (const [index, value] of values.entries()) data.set(map((bend(value) - from) / reach), index * 3);
  return dataAddress(await encodePng({ width: side, height: side, channels: 3, data }));
}

/** A grey image as a PNG data URI: -1 black, 0 mid-grey, 1 white, what is beyond cut off. */
export async function greyImage(pixels: Float32Array): Promise<string> {
  const side = sideOf(pixels.length, "greyImage");
  const data = Uint8Array.from(pixels, (pixel) => greys((pixel + 1) / 2)[0]);
  return dataAddress(await encodePng({ width: side, height: side, channels: 1, data }));
}

/** A kernel, zero in the middle of the map and `reach` at its ends. */
export const kernelImage = (weights: Float32Array, reach: number): Promise<string> =>
  heatMap(weights, { map: diverging, low: -reach, high: reach });

/** The largest magnitude of some numbers, for a scale that has zero in its middle. */
export const reachOf = (...lists: readonly Float32Array[]): number =>
  lists.reduce((reach, list) => list.reduce((largest, value) => Math.max(largest, Math.abs(value)), reach), 0);

/** A colour bar with the values of its two ends, and of zero where that is in its middle. */
export function colourBar(map: ColourMap, low: number, high: number, middle?: Insertion): Markup {
  return html`<div class="colour-bar" aria-hidden="true"><span class="strip" style="background:${cssGradient(map)}"></span><span>${precise(low)}</span><span>${middle}</span><span>${precise(high)}</span></div>`;
}

interface PanelOptions {
  readonly title: Insertion;
  readonly alt: string;
  /** What stands below the picture: a colour bar. */
  readonly below?: Insertion;
}

interface PanelParts extends PanelOptions {
  readonly address: string;
  readonly side: number;
  /** The labels of both axes, from left to right and from top to bottom. */
  readonly ticks?: readonly string[];
  readonly over?: Insertion;
}

/** A square picture with a title, axes and what lies over and below it; all panels of a row align. */
function panel({ address, side, title, alt, ticks, over, below }: PanelParts): Markup {
  const labels = ticks?.map((tick) => html`<span>${tick}</span>`);
  const down = labels && html`<div class="ticks vertical-ticks" aria-hidden="true">${labels}</div>`;
  const across = labels && html`<div class="ticks" aria-hidden="true">${labels}</div>`;
  return html`<div class="panel"><p class="panel-title">${title}</p><div class="plane">${down}<div class="square"><img src="${address}" alt="${alt}" width="${side}" height="${side}">${over}</div>${across}${below}</div></div>`;
}

/** A grey image as a panel, its axes in pixels from the top left. */
export async function imageFigure(pixels: Float32Array, options: PanelOptions): Promise<Markup> {
  const side = sideOf(pixels.length, "imageFigure");
  const ticks = [0, side / 2, side - 1].map((tick) => fixed(tick, 0));
  return panel({ ...options, address: await greyImage(pixels), side, ticks });
}

/** A kernel as a panel, its axes in pixels from the middle. */
export async function kernelFigure(
  weights: Float32Array,
  { reach, ...options }: PanelOptions & { readonly reach: number },
): Promise<Markup> {
  const side = sideOf(weights.length, "kernelFigure");
  const radius = (side - 1) / 2;
  const ticks = [-radius, 0, radius].map((tick) => fixed(tick, 0));
  return panel({ ...options, address: await kernelImage(weights, reach), side, ticks });
}

/** Something marked in a spectrum. */
export type SpectrumMark =
  | { readonly kind: "ring"; readonly frequency: number }
  | { readonly kind: "outline"; readonly spectrum: Float32Array; readonly above: number; readonly name: string };

export interface SpectrumOptions extends PanelOptions {
  readonly high: number;
  /** The value that the darkest colour stands for, with a logarithmic scale; without it the scale is linear from 0. */
  readonly logarithmicFrom?: number;
  readonly marks?: readonly SpectrumMark[];
}

/** A spectrum as a panel: zero frequency in its middle, both axes in cycles a pixel. */
export async function spectrumFigure(
  spectrum: Float32Array,
  { high, logarithmicFrom, marks = [], ...options }: SpectrumOptions,
): Promise<Markup> {
  const side = sideOf(spectrum.length, "spectrumFigure");
  const colours: HeatMapOptions =
    logarithmicFrom === undefined
      ? { map: sequential, low: 0, high }
      : { map: sequential, low: logarithmicFrom, high, scale: "log" };
  const address = await heatMap(spectrum, colours);
  return panel({ ...options, address, side, ticks: ["−½", "0", "½"], over: overlay(marks, side) });
}

/** Marks over a spectrum of `side` x `side` pixels: rings at plus and minus a horizontal frequency, and outlines. */
function overlay(marks: readonly SpectrumMark[], side: number): Markup | undefined {
  if (marks.length === 0) return undefined;
  const shapes = marks.map((mark) => {
    if (mark.kind === "outline")
      return html`<path class="outline ${mark.name}" d="${outline(mark.spectrum, side, mark.above)}"/>`;
    const middle = side / 2 + 0.5;
    return [-1, 1].map(
      (sign) => html`<circle class="ring" cx="${middle + sign * mark.frequency * side}" cy="${middle}" r="3"/>`,
    );
  });
  return html`<svg class="overlay" viewBox="0 0 ${side} ${side}" aria-hidden="true">${shapes}</svg>`;
}

/** The edges between the pixels above a value and the others, as the data of an SVG path. */
export function outline(values: Float32Array, side: number, above: number): string {
  const inside = (row: number, column: number) =>
    row >= 0 && row < side && column >= 0 && column < side && values[row * side + column]! > above;
  let path = "";
  for (let row = 0; row <= side; row++)
    for (let column = 0; column <= side; column++) {
      if (inside(row, column) !== inside(row - 1, column)) path += `M${column} ${row}h1`;
      if (inside(row, column) !== inside(row, column - 1)) path += `M${column} ${row}v1`;
    }
  return path;
}

/** A key to the colours or strokes of a figure. */
export const key = (entries: readonly { readonly name: Insertion; readonly look: string }[]): Markup =>
  html`<ul class="key">${entries.map(({ name, look }) => html`<li><span class="swatch ${look}" aria-hidden="true"></span>${name}</li>`)}</ul>`;

/** A figure with a caption below it. */
export const figure = (body: Insertion, caption: Insertion, look = ""): Markup =>
  html`<figure class="${look}">${body}<figcaption>${caption}</figcaption></figure>`;

/** A table that scrolls by itself where it is wider than the page. */
export const table = (caption: Insertion, head: readonly Insertion[], rows: readonly Insertion[]): Markup =>
  html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><caption>${caption}</caption><thead><tr>${head.map((cell, index) => html`<th scope="col" class="${index > 0 ? "figure-cell" : "name-cell"}">${cell}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;

/** A part of 1 as a bar from 0 to 100 %, with a tick at one half. */
export const meter = (part: number): Markup =>
  html`<span class="meter" aria-hidden="true"><span style="width:${(Math.min(1, Math.max(0, part)) * 100).toFixed(2)}%"></span></span>`;
