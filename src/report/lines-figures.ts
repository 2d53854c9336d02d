/** The figures of the running example's report. */
import { chart, decades, type Point, responsiveChart } from "./charts.ts";
import { diverging, sequential } from "./colours.ts";
import {
  colourBar,
  figure,
  greyImage,
  imageFigure,
  kernelFigure,
  key,
  meter,
  reachOf,
  spectrumFigure,
  table,
} from "./figures.ts";
import { html, type Insertion, type Markup } from "./html.ts";
import type {
  ClassifiedImage,
  KindResult,
  LabelledImage,
  LearnedNetwork,
  LinesPart,
  LinesStudy,
  SweepPoint,
  TrainingHistory,
} from "./lines-study.ts";
import { classNames, kindName, separation, vote } from "./lines-words.ts";
import { count, counted, fixed, frequency, percent, points, precise } from "./words.ts";

/** The class a network gives an image: the likelier, vertical where both are alike. */
export const calledOf = ({ probabilities }: ClassifiedImage): 0 | 1 => (probabilities[1] > probabilities[0] ? 1 : 0);

/** Which stroke and colour stand for what in the galleries. */
export const galleryKey = (): Markup =>
  key([
    { name: html`<b class="v">V</b> probability of vertical`, look: "vertical-block" },
    { name: html`<b class="h">H</b> probability of horizontal`, look: "horizontal-block" },
    { name: html`misclassified, <b class="verdict">✗</b> and the class it was given`, look: "frame" },
  ]);

async function picture(pixels: Float32Array, alt: string): Promise<Markup> {
  return html`<img src="${await greyImage(pixels)}" alt="${alt}" width="64" height="64">`;
}

/** Images with their labels below them. */
export async function labelledGallery(images: readonly LabelledImage[]): Promise<Markup> {
  const items = await Promise.all(
    images.map(async ({ pixels, label }) => {
      const name = classNames[label];
      return html`<li>${await picture(pixels, `Training image of ${name} lines`)}<span class="${name.charAt(0)}">${name}</span></li>`;
    }),
  );
  return html`<ul class="gallery">${items}</ul>`;
}

/** Images with the probabilities the network gave, those it got wrong framed and named. */
export async function classifiedGallery(images: readonly ClassifiedImage[], about: string): Promise<Markup> {
  const items = await Promise.all(
    images.map(async (image) => {
      const [vertical, horizontal] = image.probabilities;
      const called = calledOf(image);
      const wrong = called !== image.label;
      const alt = `${about}, ${classNames[image.label]}: probability of vertical ${fixed(vertical, 3)}, of horizontal ${fixed(horizontal, 3)}${wrong ? "; misclassified" : ""}`;
      return html`<li class="${wrong ? "wrong" : "right"}">${await picture(image.pixels, alt)}<div class="chances" aria-hidden="true"><span style="width:${(vertical * 100).toFixed(1)}%"></span></div><div class="both" aria-hidden="true"><span class="v">V ${fixed(vertical)}</span><span class="h">H ${fixed(horizontal)}</span></div>${wrong && html`<div class="verdict">✗ ${classNames[called]}</div>`}</li>`;
    }),
  );
  return html`<ul class="gallery">${items}</ul>`;
}

const withAxis = (history: TrainingHistory): number =>
  Math.max(1, ...history.steps.map(({ step }) => step), ...history.validation.map(({ step }) => step));

/** Loss, accuracy and starts as small charts of one size, side by side where there is room. */
export async function curves(history: TrainingHistory): Promise<Markup> {
  const { steps, validation, starts } = history;
  const size = { width: 352, height: 230 };
  const x = { label: "training step", domain: [0, withAxis(history)], format: count } as const;
  const losses = [...steps, ...validation].map(({ loss }) => loss);
  const floor = 1e-5;
  const lossScale = decades(losses, floor);
  const lossPoint = ({ step, loss }: { step: number; loss: number }): Point => ({ x: step, y: Math.max(loss, floor) });
  const accuracyPoint = ({ step, accuracy }: { step: number; accuracy: number }): Point => ({ x: step, y: accuracy });
  const least = Math.min(0.9, ...[...steps, ...validation].map(({ accuracy }) => accuracy));
  const pair = (point: (entry: { step: number; loss: number; accuracy: number }) => Point) =>
    [
      { points: steps.map(point), colour: "soft", form: "line" },
      { points: validation.map(point), colour: "horizontal", form: "both" },
    ] as const;
  const panels: Promise<Markup>[] = [
    chart({
      ...size,
      alt: "Loss against training step, for training and validation",
      x,
      y: { label: "loss (nats)", ...lossScale, scale: "log", format: precise },
      series: pair(lossPoint),
    }),
    chart({
      ...size,
      alt: "Accuracy against training step, for training and validation",
      x,
      y: { label: "accuracy", domain: [Math.floor(least * 10) / 10, 1], format: wholePercent },
      series: pair(accuracyPoint),
    }),
  ];
  if (starts.length > 1) panels.push(startsChart(history, size));
  const caption = `Cross-entropy loss (logarithmic axis)${starts.length > 1 ? ", accuracy, and the validation loss of each random start after one epoch" : " and accuracy"}. Training values are means over short stretches of steps; validation is measured after each epoch.`;
  const names = key([
    { name: "training", look: "soft" },
    { name: "validation", look: "horizontal" },
    ...(starts.length > 1 ? [{ name: "the start that was trained on", look: "dot horizontal" }] : []),
  ]);
  return figure(html`${names}<div class="charts">${await Promise.all(panels)}</div>`, caption);
}

function startsChart({ starts }: TrainingHistory, size: { width: number; height: number }): Promise<Markup> {
  const all = starts.map(({ validationLoss, chosen }, index) => ({
    x: index + 1,
    y: Math.max(validationLoss, 1e-5),
    chosen,
  }));
  const every = Math.ceil(starts.length / 8);
  const ticks = all.map(({ x }) => x).filter((x) => (x - 1) % every === 0);
  return chart({
    ...size,
    alt: `Validation loss of ${starts.length} random starts after one epoch`,
    x: { label: "random start", domain: [0.5, starts.length + 0.5], ticks, format: count },
    y: {
      label: "validation loss (nats)",
      ...decades(all.map(({ y }) => y)),
      scale: "log",
      format: precise,
    },
    series: [
      { points: all.filter(({ chosen }) => !chosen), colour: "soft", form: "dots" },
      { points: all.filter(({ chosen }) => chosen), colour: "horizontal", form: "dots" },
    ],
  });
}

/** Both kernels and the magnitudes of their transforms. */
export async function kernels(network: LearnedNetwork, marked: number): Promise<Markup> {
  const panels = await Promise.all(
    ([0, 1] as const).map(async (channel) => {
      const { weights, spectrum } = network.kernels[channel];
      const reach = reachOf(weights);
      const high = reachOf(spectrum);
      const speaks = html`<br>speaks for <span class="${vote(network, channel).charAt(0)}">${vote(network, channel)}</span>`;
      const kernel = await kernelFigure(weights, {
        reach,
        title: html`<b>Kernel ${channel + 1}</b>${speaks}`,
        alt: `The 9 x 9 weights of kernel ${channel + 1}, from ${precise(-reach)} (blue) to ${precise(reach)} (red)`,
        below: colourBar(diverging, -reach, reach, "0"),
      });
      const transform = await spectrumFigure(spectrum, {
        title: html`Its transform,<br>magnitude`,
        alt: `Magnitude of the Fourier transform of kernel ${channel + 1}, from 0 (dark) to ${precise(high)} (light)`,
        high,
        marks: [{ kind: "ring", frequency: marked }],
        below: colourBar(sequential, 0, high),
      });
      return html`${kernel}${transform}`;
    }),
  );
  return figure(
    html`<div class="panels">${panels}</div>`,
    html`Weights of both 9 × 9 kernels (rows and columns in pixels from the middle; each with a scale of its own, zero in its middle) and the magnitude of their discrete Fourier transforms (zero-padded to 64 × 64, linear scale, horizontal and vertical frequency in cycles/pixel). Rings: the predicted frequency, ±${frequency(marked)} cycles/pixel along the columns.`,
  );
}

/** The fully connected layer's weights, the classes as rows. */
export function weightsTable(network: LearnedNetwork): Markup {
  const { weights, bias } = network;
  const cells = (values: readonly number[]) =>
    values.map((value) => html`<td class="figure-cell">${fixed(value)}</td>`);
  const rows = ([0, 1] as const).map(
    (label) =>
      html`<tr><th scope="row"><span class="${classNames[label].charAt(0)}">${classNames[label]}</span> output</th>${cells([...weights[label], bias[label]])}</tr>`,
  );
  const differences = [separation(network, 0), separation(network, 1), bias[0] - bias[1]];
  return table(
    html`The fully connected layer: its weights W, its bias, and their difference. Positive differences speak for vertical, negative ones for horizontal. Both outputs are then multiplied by the temperature τ = ${precise(network.temperature)}.`,
    ["", "channel 1", "channel 2", "bias"],
    [...rows, html`<tr class="totals"><th scope="row">vertical − horizontal</th>${cells(differences)}</tr>`],
  );
}

/** Accuracy by kind of out-of-domain image; with two parts, before and after. */
export function kindsTable(kinds: readonly KindResult[], afterwards?: readonly KindResult[]): Markup {
  const rows = kinds.map((kind) => {
    const twin = afterwards?.find((other) => other.kind === kind.kind);
    const name = html`<th scope="row">${kindName(kind.kind)}<span class="about">${kind.about}</span></th>`;
    if (!afterwards)
      return html`<tr>${name}<td class="bar">${meter(kind.accuracy)}</td><td class="figure-cell">${percent(kind.accuracy)}</td></tr>`;
    const change = twin ? points(twin.accuracy - kind.accuracy) : "–";
    return html`<tr>${name}<td class="figure-cell">${percent(kind.accuracy)}</td><td class="figure-cell">${twin ? percent(twin.accuracy) : "–"}</td><td class="figure-cell">${change}</td></tr>`;
  });
  return afterwards
    ? table(
        "Accuracy by kind of image, before and after, and the change in percentage points.",
        ["kind of image", "before", "after", "change"],
        rows,
      )
    : table(
        "Accuracy by kind of image; the dotted tick is one half, the rate of guessing.",
        ["kind of image", "", "accuracy"],
        rows,
      );
}

/** Examples of each kind of out-of-domain image. */
export async function kindGalleries(kinds: readonly KindResult[]): Promise<Markup> {
  const blocks = kinds.map(
    async (kind) =>
      html`<div class="kind"><p class="kind-title"><b>${kindName(kind.kind)}</b><span class="about">${percent(kind.accuracy)} of ${count(kind.count)}</span></p>${await classifiedGallery(kind.examples, kindName(kind.kind))}</div>`,
  );
  return html`${await Promise.all(blocks)}`;
}

/** Examples of test images, then every one that was misclassified. */
export async function testFigures({ test }: LinesPart, title: (text: string) => Markup): Promise<Markup> {
  const shown = test.mistakes.length;
  const heading =
    test.errors === 0 ? "No errors" : test.errors === 1 ? "The one error" : `All ${count(test.errors)} errors`;
  const mistakes =
    test.errors === 0
      ? html`<p>None of the ${count(test.count)} test images was misclassified.</p>`
      : html`<p>${counted(test.errors, "image")} of ${count(test.count)} ${test.errors === 1 ? "was" : "were"} misclassified${shown < test.errors && `; the first ${count(shown)} are shown`}.</p>${await classifiedGallery(test.mistakes, "Misclassified test image")}`;
  return html`${title("Examples")}${await classifiedGallery(test.examples, "Test image")}${title(heading.replace(/^./, (first) => first.toUpperCase()))}${mistakes}`;
}

/** Modulated images at the chapter's frequency and at the predicted one. */
export async function modulationFigures(
  { chapter, modulated }: LinesPart,
  title: (text: Insertion) => Markup,
): Promise<Markup> {
  const block = async (name: Insertion, { examples, accuracy, count: number }: typeof chapter) =>
    html`${title(name)}<p>Still called horizontal: ${percent(accuracy)} of ${count(number)}.</p>${await classifiedGallery(examples, "Modulated lines")}`;
  return html`${await block(html`At the chapter’s cos(π<var>n</var>/3): ${frequency(chapter.frequency)} cycles/pixel`, chapter)}${await block(html`At the predicted frequency: ${frequency(modulated.frequency)} cycles/pixel`, modulated)}`;
}

/** An image before and after modulation and the magnitudes of their transforms, with the bands the kernels pass. */
export async function spectra({ spectra: { plain, modulated }, before: { network } }: LinesStudy): Promise<Markup> {
  const high = reachOf(plain.spectrum, modulated.spectrum);
  const marks = ([0, 1] as const).map((channel) => {
    const { spectrum } = network.kernels[channel];
    const name = channel === 0 ? "first" : "second";
    return { kind: "outline", spectrum, above: reachOf(spectrum) / 2, name } as const;
  });
  const pairs = [
    { name: "Horizontal lines", ...plain },
    { name: "Modulated", ...modulated },
  ];
  const panels = await Promise.all(
    pairs.map(async ({ name, pixels, spectrum }) => {
      const image = await imageFigure(pixels, { title: html`<b>${name}</b>`, alt: name });
      const transform = await spectrumFigure(spectrum, {
        title: html`Magnitude of its transform`,
        alt: `Magnitude of the Fourier transform of the image “${name}”`,
        high,
        logarithmicFrom: high / 1000,
        marks,
        below: colourBar(sequential, high / 1000, high),
      });
      return html`${image}${transform}`;
    }),
  );
  const names = key(
    ([0, 1] as const).map((channel) => ({
      name: `band of channel ${channel + 1} (${vote(network, channel)})`,
      look: channel === 0 ? "first-outline" : "second-outline",
    })),
  );
  return figure(
    html`${names}<div class="panels">${panels}</div>`,
    "An image of 64 × 64 pixels (axes in pixels) before and after modulation, each with the magnitude of its discrete Fourier transform (logarithmic scale over three decades, the same for both; horizontal and vertical frequency in cycles/pixel). The outlines enclose the frequencies that each kernel passes with at least half of its largest magnitude.",
  );
}

const wholePercent = (part: number): string => `${fixed(part * 100, 0)}%`;

const sweepPoints = (sweep: readonly SweepPoint[]): Point[] => sweep.map(({ frequency: x, accuracy: y }) => ({ x, y }));

const frequencyAxis = { label: "frequency of the modulation (cycles/pixel)", domain: [0, 0.5] } as const;

const frequencyRules = (study: LinesStudy) => [
  { at: study.before.chapter.frequency, label: "1/6" },
  { at: study.predictedFrequency, label: `f* = ${frequency(study.predictedFrequency)}` },
];

/** The prediction from the kernels above what was measured, over the same axis of frequencies. */
export async function sweepFigure(study: LinesStudy): Promise<Markup> {
  const strengths = study.prediction.map(({ strength }) => strength).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...strengths), Math.max(0, ...strengths)];
  const prediction = await responsiveChart(
    {
      alt: "Predicted strength of the confusion against frequency",
      height: 200,
      x: { ...frequencyAxis, label: "" },
      y: {
        label: "predicted confusion D(f)",
        domain: [low, high > low ? high * 1.05 : 1],
        ticks: [0],
        format: precise,
      },
      rules: frequencyRules(study),
      series: [
        {
          points: study.prediction.map(({ frequency: x, strength: y }) => ({ x, y })),
          colour: "vertical",
          form: "line",
        },
      ],
    },
    900,
  );
  const measured = await responsiveChart(
    {
      alt: "Measured accuracy on modulated horizontal lines against frequency",
      height: 260,
      x: frequencyAxis,
      y: { label: "still called horizontal", domain: [0, 1], format: wholePercent },
      rules: frequencyRules(study),
      series: [{ points: sweepPoints(study.before.sweep), colour: "horizontal", form: "both" }],
    },
    900,
  );
  return figure(
    html`${prediction}${measured}`,
    html`Above: the prediction, from the learned numbers alone (arbitrary units). D(<var>f</var>) adds up, over both channels, the difference between the channel’s two weights in W times how strongly its kernel’s transform passes horizontal lines moved to <var>f</var>; above 0 it predicts “vertical”. Below: the accuracy measured on modulated horizontal lines. Dotted: the chapter’s 1/6 cycles/pixel and the predicted <var>f</var>*.`,
    "sweep",
  );
}

/** Accuracy over frequency before and after the mend. */
export async function mendedSweepFigure(study: LinesStudy): Promise<Markup> {
  const drawn = await responsiveChart(
    {
      alt: "Accuracy on modulated horizontal lines against frequency, before and after the mend",
      height: 280,
      x: frequencyAxis,
      y: { label: "still called horizontal", domain: [0, 1], format: wholePercent },
      rules: frequencyRules(study),
      band: study.mendedBand,
      series: [
        { points: sweepPoints(study.before.sweep), colour: "soft", form: "dashes" },
        { points: sweepPoints(study.after.sweep), colour: "horizontal", form: "both" },
      ],
    },
    900,
  );
  const names = key([
    { name: "before", look: "soft dashes" },
    { name: "after the mend", look: "horizontal" },
    ...(study.mendedBand ? [{ name: "frequencies it was retrained with", look: "block" }] : []),
  ]);
  return figure(
    html`${names}${drawn}`,
    "Accuracy on horizontal lines modulated at each frequency. Dotted: the chapter’s 1/6 cycles/pixel and the predicted f* of the first network.",
    "sweep",
  );
}
