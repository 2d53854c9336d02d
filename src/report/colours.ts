/** Colour maps: a position from 0 to 1 to red, green and blue, 0 to 255. */

export type Colour = readonly [number, number, number];
export type ColourMap = (position: number) => Colour;

/** A map that runs evenly through colours given as hexadecimal digits, "1b6ca8". */
function through(...stops: readonly string[]): ColourMap {
  const colours = stops.map((stop): Colour => {
    const number = Number.parseInt(stop, 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
  });
  return (position) => {
    const place = Math.min(1, Math.max(0, Number.isFinite(position) ? position : 0)) * (colours.length - 1);
    const left = Math.min(colours.length - 2, Math.floor(place));
    const part = place - left;
    const mix = (channel: 0 | 1 | 2) =>
      Math.round(colours[left]![channel] * (1 - part) + colours[left + 1]![channel] * part);
    return [mix(0), mix(1), mix(2)];
  };
}

/** Black to white, for images. */
export const greys: ColourMap = through("000000", "ffffff");

/** Blue (negative) through near-white (zero) to red (positive), even in lightness on both sides, for weights. */
export const diverging: ColourMap = through(
  "123a66",
  "2f6ea8",
  "82b1d3",
  "d3e2ec",
  "f6f4f0",
  "f3d5c5",
  "e0937a",
  "bb4944",
  "6b1226",
);

/** Near-black through violet and red to pale yellow, rising evenly in lightness, for magnitudes (after matplotlib's magma). */
export const sequential: ColourMap = through(
  "07060f",
  "1f1147",
  "50127b",
  "812581",
  "b5367a",
  "e55063",
  "fb8761",
  "fec287",
  "fcfdbf",
);

/** A map as a CSS gradient from left to right, for a colour bar. */
export function cssGradient(map: ColourMap): string {
  const stops = Array.from({ length: 9 }, (_, index) => `rgb(${map(index / 8).join(" ")})`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
