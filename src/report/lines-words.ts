/** The sentences of the running example's report, each worked out from the numbers it speaks of. */
import type { KindResult, LearnedNetwork, LinesPart, LinesStudy, SweepPoint, TrainingHistory } from "./lines-study.ts";
import { type Preference, preference } from "./spectrum.ts";
import { capital, count, counted, fixed, frequency, listed, partOf, percent, points, precise } from "./words.ts";

export const classNames = ["vertical", "horizontal"] as const;

/** Below this, horizontal lines are no longer recognised better than by a coin. */
const coin = 0.5;
/** From this on, modulated lines are said to be recognised. */
const recognised = 0.95;
/** A change of accuracy that is worth a word. */
const notable = 0.02;
/** One channel's weights must separate the classes by at least this part of what the other's do to oppose it. */
const leastOpposition = 0.1;

/** The name of a kind of image in a sentence: "textured bars". */
export const kindName = (kind: string): string => kind.replaceAll("-", " ");

const share = (errors: number, of: number): string => `${counted(errors, "error")} in ${count(of)}`;

/** The page's first words: what the network does, what fools it, whether the mend helps. */
export function leadSentences({ before, after, predictedFrequency }: LinesStudy): string[] {
  const fooled = before.modulated.accuracy < coin;
  const mended = after.modulated.accuracy >= recognised;
  return [
    `A network of two 9 × 9 kernels learned to tell images of vertical lines from images of horizontal ones: ${share(before.test.errors, before.test.count)} test images.`,
    `Its kernels’ Fourier transforms predict what fools it: horizontal lines multiplied by a sinusoid of ${frequency(predictedFrequency)} cycles/pixel. It still calls ${partOf(before.modulated.accuracy)} of these horizontal${fooled ? "." : ", so the prediction did not come true this time."}`,
    `Retrained with such images among the others, it calls ${partOf(after.modulated.accuracy)} of them horizontal${mended ? "." : ", so the mend did not fully work."}`,
  ];
}

/** How training began: the starts that were tried, the one that was chosen, the restarts. */
export function startSentences({ starts, restarts }: TrainingHistory): string[] {
  const chosen = starts.find((start) => start.chosen);
  const sentences: string[] = [];
  if (starts.length === 1) sentences.push("Training began from one random start.");
  if (starts.length > 1 && chosen) {
    const stuck = starts.filter((start) => start.validationLoss > 0.6).length;
    sentences.push(
      `${count(starts.length)} random starts were tried for one epoch, and the one with validation loss ${precise(chosen.validationLoss)} was trained on.`,
      stuck === 0
        ? "No start was stuck."
        : `${capital(counted(stuck, "start"))} stayed above 0.6, close to the ln 2 ≈ 0.69 of guessing.`,
    );
  }
  sentences.push(
    restarts === 0
      ? "No restart was needed."
      : `Training went back to another start ${restarts === 1 ? "once" : `${count(restarts)} times`} because the loss stayed high.`,
  );
  return sentences;
}

/** What the last validation said. */
export function validationSentence({ validation }: TrainingHistory): string {
  const last = validation.at(-1);
  if (!last) return "No validation was made.";
  return `After ${counted(last.step, "step")} the validation loss is ${precise(last.loss)} and the validation accuracy ${percent(last.accuracy)}.`;
}

/** By how much a channel's answer raises the vertical output over the horizontal one. */
export const separation = ({ weights }: LearnedNetwork, channel: 0 | 1): number =>
  weights[0][channel] - weights[1][channel];

/** The class that a channel's answer speaks for. */
export const vote = (network: LearnedNetwork, channel: 0 | 1): "vertical" | "horizontal" =>
  separation(network, channel) > 0 ? "vertical" : "horizontal";

/** Whether the two channels speak for different classes, both with some weight. */
export function isOpposed(network: LearnedNetwork): boolean {
  const [first, second] = [separation(network, 0), separation(network, 1)];
  const [weaker, stronger] = [Math.abs(first), Math.abs(second)].sort((left, right) => left - right);
  return first * second < 0 && weaker! >= leastOpposition * stronger!;
}

/** What the fully connected weights say: whether the two channels oppose one another, and how. */
export function oppositionSentences(network: LearnedNetwork): string[] {
  const { weights } = network;
  const pair = (channel: 0 | 1) => `${fixed(weights[0][channel])} and ${fixed(weights[1][channel])}`;
  if (isOpposed(network)) {
    const crossed = ([0, 1] as const).every((channel) => weights[0][channel] * weights[1][channel] < 0);
    return [
      `The two channels oppose one another: channel 1 speaks for ${vote(network, 0)} (weights ${pair(0)} to vertical and horizontal), channel 2 for ${vote(network, 1)} (${pair(1)}).`,
      crossed
        ? "In each channel the two weights have opposite signs, so what speaks for one class also speaks against the other, as in the matrix of section 1.4.2."
        : "In at least one channel both weights have the same sign, so it is their difference that separates the classes.",
    ];
  }
  const [first, second] = [separation(network, 0), separation(network, 1)];
  const both =
    first * second > 0
      ? `both channels speak for ${vote(network, 0)} (differences ${fixed(first)} and ${fixed(second)}), and the bias alone speaks for the other class`
      : `the differences between the two outputs are ${fixed(first)} for channel 1 and ${fixed(second)} for channel 2, so one channel does nearly all of the work`;
  return [`The weights show no clear opposition: ${both}.`];
}

/** What a kernel answers to, as its spectrum tells. */
function answer({ orientation, angle, coherence, frequency: peak }: Preference): string {
  const most = `, most at ${frequency(peak)} cycles/pixel`;
  if (orientation === "none") return `has no marked orientation (coherence ${fixed(coherence)})`;
  if (orientation === "oblique")
    return `answers to oblique structure, its energy ${fixed(angle, 0)}° from the horizontal frequency axis${most}`;
  return `answers to ${orientation} structure${most}`;
}

/** What both kernels answer to, and whether that fits the class they speak for. */
export function kernelSentences(network: LearnedNetwork): string[] {
  return ([0, 1] as const).map((channel) => {
    const preferred = preference(network.kernels[channel].spectrum);
    const spoken = vote(network, channel);
    const named = preferred.orientation === "vertical" || preferred.orientation === "horizontal";
    const fit = !named
      ? `and speaks for ${spoken}`
      : preferred.orientation === spoken
        ? "and speaks for that class"
        : `although it speaks for ${spoken}`;
    return `The kernel of channel ${channel + 1} ${answer(preferred)}, ${fit}.`;
  });
}

/** How the network does on oriented images without lines. */
export function outOfDomainSentence(kinds: readonly KindResult[]): string {
  if (kinds.length === 0) return "No other images were tried.";
  const sorted = [...kinds].sort((left, right) => left.accuracy - right.accuracy);
  const worst = sorted[0]!;
  const best = sorted.find(({ accuracy }) => accuracy === sorted.at(-1)!.accuracy)!;
  const good = kinds.filter(({ accuracy }) => accuracy >= 0.9).length;
  const range =
    worst.accuracy === best.accuracy
      ? `Accuracy is ${percent(worst.accuracy)} on ${kinds.length === 1 ? "the one kind" : "all of them"}.`
      : `Accuracy runs from ${percent(worst.accuracy)} (${kindName(worst.kind)}) to ${percent(best.accuracy)} (${kindName(best.kind)}).`;
  const verdict =
    good === kinds.length
      ? "So the network answers to orientation where there are no lines, too."
      : `${capital(counted(kinds.length - good, "kind"))} of ${count(kinds.length)} ${kinds.length - good === 1 ? "is" : "are"} below 90%: there its notion of orientation is not ours.`;
  return `${range} ${verdict}`;
}

/** The stretches of frequency over which a test holds at every point measured. */
export function stretches(sweep: readonly SweepPoint[], holds: (accuracy: number) => boolean): [number, number][] {
  const found: [number, number][] = [];
  let open = false;
  for (const { frequency, accuracy } of [...sweep].sort((left, right) => left.frequency - right.frequency)) {
    const inside = holds(accuracy);
    if (inside && open) found.at(-1)![1] = frequency;
    else if (inside) found.push([frequency, frequency]);
    open = inside;
  }
  return found;
}

const stretchWords = (found: readonly (readonly [number, number])[]): string =>
  `${listed(found.map(([from, to]) => (from === to ? `at ${frequency(from)}` : `from ${frequency(from)} to ${frequency(to)}`)))} cycles/pixel`;

const lowest = (sweep: readonly SweepPoint[]): SweepPoint | undefined =>
  sweep.reduce<SweepPoint | undefined>(
    (least, point) => (least === undefined || point.accuracy < least.accuracy ? point : least),
    undefined,
  );

/** At how many measured frequencies the sign of the prediction says rightly whether most images fool the network. */
function agreement({ before: { sweep }, prediction }: LinesStudy): string | undefined {
  if (sweep.length === 0 || prediction.length === 0) return undefined;
  const right = sweep.filter(({ frequency, accuracy }) => {
    const near = prediction.reduce((best, point) =>
      Math.abs(point.frequency - frequency) < Math.abs(best.frequency - frequency) ? point : best,
    );
    return near.strength > 0 === accuracy < coin;
  });
  const some = right.length === sweep.length ? "all" : `${count(right.length)} of the`;
  return `The sign of D tells rightly at ${some} ${count(sweep.length)} measured frequencies whether most images are taken for vertical.`;
}

/** Where the first network is fooled, as measured, and how that sits with the prediction. */
export function vulnerabilitySentences(study: LinesStudy): string[] {
  const { before, predictedFrequency } = study;
  const sentences = [
    `At the chapter’s 1/6 cycles/pixel the network still calls ${percent(before.chapter.accuracy)} of ${count(before.chapter.count)} images horizontal; at the predicted ${frequency(predictedFrequency)} cycles/pixel, ${percent(before.modulated.accuracy)} of ${count(before.modulated.count)}.`,
  ];
  const worst = lowest(before.sweep);
  if (!worst) return sentences;
  const fooled = stretches(before.sweep, (accuracy) => accuracy < coin);
  if (fooled.length === 0)
    return [
      ...sentences,
      `Over the whole sweep its accuracy never falls below one half; the lowest is ${percent(worst.accuracy)} at ${frequency(worst.frequency)} cycles/pixel.`,
    ];
  const within = fooled.some(([from, to]) => predictedFrequency >= from && predictedFrequency <= to);
  return [
    ...sentences,
    `In the sweep it is wrong more often than right ${stretchWords(fooled)}, and ${within ? "the predicted frequency lies in this range" : "the predicted frequency lies outside this range"}. The lowest accuracy measured is ${percent(worst.accuracy)}, at ${frequency(worst.frequency)} cycles/pixel.`,
    ...[agreement(study) ?? []].flat(),
  ];
}

/** The kinds whose accuracy the mend changed by more than two points. */
function changedKinds(before: LinesPart, after: LinesPart): string {
  const changes = before.outOfDomain.flatMap((kind) => {
    const twin = after.outOfDomain.find((other) => other.kind === kind.kind);
    return twin ? [{ kind: kind.kind, by: twin.accuracy - kind.accuracy, now: twin.accuracy }] : [];
  });
  const tell = (chosen: typeof changes) =>
    listed(chosen.map(({ kind, by, now }) => `${kindName(kind)} (${points(by)} points, now ${percent(now)})`));
  const worse = changes.filter(({ by }) => by < -notable);
  const better = changes.filter(({ by }) => by > notable);
  if (worse.length + better.length === 0) return "No kind of out-of-domain image changed by more than two points.";
  const parts = [
    worse.length > 0 ? `worse on ${tell(worse)}` : "",
    better.length > 0 ? `better on ${tell(better)}` : "",
  ];
  const rest = changes.length - worse.length - better.length;
  const others = rest > 0 ? ` The other kinds changed by at most two points.` : "";
  return `Out of domain the mended network is ${listed(parts.filter(Boolean))}.${others}`;
}

/** How far the mend reaches over the frequencies of modulation. */
function reach({ after, mendedBand }: LinesStudy): { readonly sentence: string; readonly everywhere: boolean } {
  const worst = lowest(after.sweep);
  if (!worst) return { sentence: "No sweep was made after the mend.", everywhere: false };
  const good = stretches(after.sweep, (accuracy) => accuracy >= recognised);
  const everywhere = worst.accuracy >= recognised;
  const shown = mendedBand
    ? `It was retrained with frequencies from ${frequency(mendedBand[0])} to ${frequency(mendedBand[1])} cycles/pixel. `
    : "";
  if (everywhere)
    return {
      sentence: `${shown}In the sweep it stays at ${percent(worst.accuracy)} or above at every frequency.`,
      everywhere,
    };
  const held =
    good.length === 0
      ? `In the sweep it reaches ${recognised * 100}% nowhere`
      : `In the sweep it holds ${recognised * 100}% or more ${stretchWords(good)}`;
  return {
    sentence: `${shown}${held}, and falls to ${percent(worst.accuracy)} at ${frequency(worst.frequency)} cycles/pixel.`,
    everywhere,
  };
}

/** Whether a frequency lies in the band the network was retrained with, half a step of a sweep allowed. */
const isShown = (point: number, band: readonly [number, number]): boolean =>
  point >= band[0] - 0.005 && point <= band[1] + 0.005;

/** What the mend changed, plainly: test images, modulated lines, frequencies, out of domain; and what it amounts to. */
export function mendSentences(study: LinesStudy): { readonly findings: string[]; readonly verdict: string } {
  const { before, after, predictedFrequency, mendedBand } = study;
  const { sentence, everywhere } = reach(study);
  const [wasOpposed, isStillOpposed] = [isOpposed(before.network), isOpposed(after.network)];
  const findings = [
    `On plain test images: ${share(after.test.errors, after.test.count)}, ${after.test.errors === before.test.errors ? "as" : `against ${count(before.test.errors)}`} before.`,
    `On horizontal lines modulated at ${frequency(predictedFrequency)} cycles/pixel: ${percent(after.modulated.accuracy)} right, against ${percent(before.modulated.accuracy)} before; at the chapter’s 1/6 cycles/pixel, ${percent(after.chapter.accuracy)} against ${percent(before.chapter.accuracy)}.`,
    sentence,
    changedKinds(before, after),
    isStillOpposed
      ? `Its two channels ${wasOpposed ? "still" : "now"} oppose one another.`
      : `Its two channels ${wasOpposed ? "no longer clearly" : "do not clearly"} oppose one another.`,
  ];
  if (after.modulated.accuracy < recognised)
    return { findings, verdict: "The mend did not do what it was made for: modulated lines still fool the network." };
  if (everywhere)
    return { findings, verdict: "The mend holds at every frequency measured, beyond the images it was made with too." };
  const outside = mendedBand && after.sweep.filter((point) => !isShown(point.frequency, mendedBand));
  const inside = mendedBand && after.sweep.filter((point) => isShown(point.frequency, mendedBand));
  const onlyThere =
    outside?.some(({ accuracy }) => accuracy < coin) && inside?.every(({ accuracy }) => accuracy >= recognised);
  return {
    findings,
    verdict: onlyThere
      ? "The mend holds where images were shown and not everywhere else: the network learned the new examples, not what a line is."
      : "The mend holds at some frequencies and fails at others: the network learned new examples, not what a line is.",
  };
}
