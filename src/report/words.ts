/** Numbers as words. */

const minus = (text: string): string => text.replace(/^-/, "−");

/** A count with commas: 10,000. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US");

/** A count and its noun: "1 error", "3 errors", "no errors". */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${value === 0 ? "no" : count(value)} ${value === 1 ? one : many}`;

/** A number to some decimals, with a real minus sign and never minus zero. */
export function fixed(value: number, decimals = 2): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : minus(text);
}

/** A power of ten with its exponent raised: 10⁻⁴. */
const power = (exponent: number): string =>
  `10${String(exponent).replace(/[-\d]/g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹".charAt(Number(sign))))}`;

/** A number to two significant digits, of any size: 0.022, 1200, 1.5 × 10⁻⁵. */
export function precise(value: number): string {
  if (!Number.isFinite(value) || value === 0) return fixed(value, 0);
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return minus(String(Number(value.toPrecision(2))));
  const [mantissa, exponent] = value.toExponential(1).split("e");
  const raised = power(Number(exponent));
  return mantissa === "1.0" ? raised : minus(`${mantissa}\u00a0×\u00a0${raised}`);
}

/** A part of 1 as a percentage that says 100% and 0% only when it is so. */
export function percent(part: number): string {
  if (!Number.isFinite(part)) return "not a number";
  if (part === 1 || part === 0) return `${part * 100}%`;
  for (const decimals of [1, 2, 3]) {
    const text = (part * 100).toFixed(decimals);
    if (Number(text) !== 100 && Number(text) !== 0) return `${minus(text)}%`;
  }
  return part > 0.5 ? "over 99.999%" : "under 0.001%";
}

/** A difference between two parts of 1, in points: "+1.2", "−3.0", "0". */
export function points(difference: number): string {
  const text = fixed(difference * 100, 1);
  return Number(text.replace("−", "-")) === 0 ? "0" : difference > 0 ? `+${text}` : text;
}

/** A part of 1 as how many of some images: "all", "none" or a percentage. */
export const partOf = (part: number): string => (part === 1 ? "all" : part === 0 ? "none" : percent(part));

/** A frequency in cycles a pixel, without its unit. */
export const frequency = (value: number): string => (value === 0 ? "0" : fixed(value, 3));

/** A list in words: "a", "a and b", "a, b and c". */
export const listed = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? "") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;

/** A sentence's first letter as a capital. */
export const capital = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1);
