/** What a kernel's spectrum says of the kernel: which orientation it answers to, and at what frequency most. */

/** The frequency, cycles a pixel, of a row or column of a spectrum whose zero frequency is in the middle. */
export const frequencyOf = (index: number, side: number): number => (index - Math.floor(side / 2)) / side;

export interface Preference {
  /** The orientation of the structure a kernel answers to most; `none` where its energy lies in every direction. */
  readonly orientation: "vertical" | "horizontal" | "oblique" | "none";
  /** Degrees from the horizontal frequency axis to where the energy lies, 0 to 90. */
  readonly angle: number;
  /** The length of the frequency with the largest magnitude, cycles a pixel. */
  readonly frequency: number;
  /** 0: energy alike in every direction; 1: all of it along one line. */
  readonly coherence: number;
}

/** Less than this, and a kernel has no orientation worth a name. */
const leastCoherence = 0.15;
/** Up to this many degrees from an axis, energy is said to lie along it. */
const nearAxis = 30;

/**
 * The orientation that a kernel prefers, from the second moments of its power over the plane of frequencies. Energy along
 * the horizontal frequency axis belongs to vertical structure, and the other way about.
 *
 * @param spectrum magnitudes, square, row by row, zero frequency in the middle
 */
export function preference(spectrum: Float32Array): Preference {
  const side = Math.round(Math.sqrt(spectrum.length));
  let [across, down, cross, largest, peak] = [0, 0, 0, -1, 0];
  for (const [index, magnitude] of spectrum.entries()) {
    const u = frequencyOf(index % side, side);
    const v = frequencyOf(Math.floor(index / side), side);
    const power = magnitude * magnitude;
    across += power * u * u;
    down += power * v * v;
    cross += power * u * v;
    if (magnitude > largest) [largest, peak] = [magnitude, Math.hypot(u, v)];
  }
  const spread = Math.hypot(across - down, 2 * cross);
  const coherence = across + down > 0 ? spread / (across + down) : 0;
  const angle = Math.abs((0.5 * Math.atan2(2 * cross, across - down) * 180) / Math.PI);
  const oriented = angle <= nearAxis ? "vertical" : angle >= 90 - nearAxis ? "horizontal" : "oblique";
  return { orientation: coherence < leastCoherence ? "none" : oriented, angle, frequency: peak, coherence };
}
