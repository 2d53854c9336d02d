/**
 * The running example as a page: what a two-channel network learned about lines, what fools it, and the mend.
 * After Torralba, Isola and Freeman, "Foundations of Computer Vision", the chapter on convolutional networks,
 * sections 1.3 and 1.4.
 */
import { StriateError } from "../errors.ts";
import { table } from "./figures.ts";
import { html, type Insertion, type Markup, page, type Section } from "./html.ts";
import {
  curves,
  galleryKey,
  kernels,
  kindGalleries,
  kindsTable,
  labelledGallery,
  mendedSweepFigure,
  modulationFigures,
  spectra,
  sweepFigure,
  testFigures,
  weightsTable,
} from "./lines-figures.ts";
import type { LearnedNetwork, LinesPart, LinesStudy } from "./lines-study.ts";
import {
  kernelSentences,
  leadSentences,
  mendSentences,
  oppositionSentences,
  outOfDomainSentence,
  startSentences,
  validationSentence,
  vulnerabilitySentences,
} from "./lines-words.ts";
import { reportStyle } from "./style.ts";
import { count, counted, fixed, frequency, percent, precise } from "./words.ts";

const source = "Torralba, Isola and Freeman";

const paragraph = (sentences: readonly string[]): Markup => html`<p>${sentences.join(" ")}</p>`;
const heading = (text: Insertion): Markup => html`<h3>${text}</h3>`;

/**
 * The report of the running example as one HTML page that holds its pictures and styles and loads nothing.
 *
 * @throws StriateError when the study has images that are not 64 x 64 or kernels that are not 9 x 9.
 */
export async function linesReport(study: LinesStudy): Promise<string> {
  checkStudy(study);
  const sections = await Promise.all([
    trainingSection(study),
    networkSection(study),
    kernelSection(study),
    weightSection(study),
    testSection(study),
    outOfDomainSection(study),
    vulnerabilitySection(study),
    mendSection(study),
  ]);
  return page({
    title: "Vertical or horizontal?",
    subtitle: `The running example of ${source}, sections 1.3 and 1.4: train a small network, look inside it, break it, mend it.`,
    lead: html`<div class="opening"><p class="lead">${leadSentences(study).join(" ")}</p>${headline(study)}</div>`,
    sections,
    footer: html`<p>Seed ${study.seed}. Everything on this page was computed in ${fixed(study.seconds, 0)} seconds. Made with Striate; after ${source}, <cite>Foundations of Computer Vision</cite>, sections 1.3 and 1.4.</p>`,
    style: reportStyle,
  });
}

/** @throws StriateError when an image or a kernel has the wrong size. */
function checkStudy(study: LinesStudy): void {
  const check = (subject: string, values: Float32Array, side: number) => {
    if (values.length !== side * side)
      throw new StriateError({
        subject: `linesReport: ${subject}`,
        found: `${values.length} numbers`,
        expected: `${side * side} (${side} x ${side})`,
      });
  };
  for (const part of [study.before, study.after])
    for (const kernel of part.network.kernels) {
      check("kernel", kernel.weights, 9);
      check("kernel spectrum", kernel.spectrum, 64);
    }
  const images = [
    ...study.trainingSamples,
    ...[study.before, study.after].flatMap((part) => [
      ...part.test.examples,
      ...part.test.mistakes,
      ...part.outOfDomain.flatMap(({ examples }) => examples),
      ...part.chapter.examples,
      ...part.modulated.examples,
    ]),
  ];
  for (const { pixels } of [...images, study.spectra.plain, study.spectra.modulated]) check("image", pixels, 64);
  for (const { spectrum } of [study.spectra.plain, study.spectra.modulated]) check("spectrum", spectrum, 64);
}

/** The figures that matter most, before and after the mend. */
function headline({ before, after, predictedFrequency }: LinesStudy): Markup {
  const row = (name: Insertion, about: Insertion, tell: (part: LinesPart) => Insertion) =>
    html`<tr><th scope="row">${name}<span class="about">${about}</span></th><td class="figure-cell">${tell(before)}</td><td class="figure-cell">${tell(after)}</td></tr>`;
  const worst = ({ outOfDomain }: LinesPart) =>
    outOfDomain.length === 0 ? "–" : percent(Math.min(...outOfDomain.map(({ accuracy }) => accuracy)));
  const rows = [
    row("Errors on test images", `of ${count(before.test.count)} images of lines`, ({ test }) => count(test.errors)),
    row("Oriented images without lines", `worst of ${counted(before.outOfDomain.length, "kind")}`, worst),
    row(html`Lines × cos(π<var>n</var>/3)`, "the chapter’s 1/6 cycles/pixel", ({ chapter }) =>
      percent(chapter.accuracy),
    ),
    row(
      html`Lines × cos(2π<var>f</var>*<var>n</var> + φ)`,
      html`predicted <var>f</var>* = ${frequency(predictedFrequency)} cycles/pixel`,
      ({ modulated }) => percent(modulated.accuracy),
    ),
  ];
  const caption = "Before and after the mend. Percentages: the part of the images that got their right class.";
  return html`<div class="headline">${table(caption, ["", "before", "after"], rows)}</div>`;
}

async function trainingSection({ trainingSamples }: LinesStudy): Promise<Section> {
  const numbers = ([0, 1] as const).map((label) => trainingSamples.filter((image) => image.label === label).length);
  return {
    id: "training-images",
    title: "Training images",
    body: html`<p>Each image has 64 × 64 pixels and lines of one orientation only, on noise. The lines vary in number, length, width, position and contrast. The two classes are vertical (0) and horizontal (1). Below: ${count(numbers[0]!)} vertical and ${count(numbers[1]!)} horizontal samples.</p>${await labelledGallery(trainingSamples)}`,
  };
}

/** How many numbers a network has learned: kernels, their biases, W and its bias. */
const parameterCount = ({ kernels, weights, bias }: LearnedNetwork): number =>
  kernels.reduce((sum, kernel) => sum + kernel.weights.length + 1, 0) + weights.flat().length + bias.length;

/** The layers in a row, with the equations of section 1.3. */
function networkFigure({ temperature }: LearnedNetwork): Markup {
  const layers: readonly (readonly [string, string])[] = [
    ["image", "64 × 64"],
    ["convolution 9 × 9", "2 channels (1.14)"],
    ["ReLU", "2 maps (1.15)"],
    ["global average", "2 numbers (1.16)"],
    ["fully connected", "2 → 2 (1.17)"],
    [`softmax, τ = ${precise(temperature)}`, "2 probabilities (1.18)"],
  ];
  const items = layers.map(([name, detail]) => html`<li><div>${name}<span>${detail}</span></div></li>`);
  return html`<figure><ol class="network">${items}</ol><figcaption>The network, with the equation numbers of section 1.3.</figcaption></figure>`;
}

async function networkSection({ before }: LinesStudy): Promise<Section> {
  const { history, network } = before;
  return {
    id: "training",
    title: "The network and its training",
    body: html`<p>The network is that of section 1.3: ${count(parameterCount(network))} numbers in all. Two kernels look at the image, their rectified answers are averaged over all positions, and two weighted sums of the averages become probabilities.</p>
${networkFigure(network)}
${paragraph([...startSentences(history), validationSentence(history)])}
${await curves(history)}`,
  };
}

async function kernelSection({ before, predictedFrequency }: LinesStudy): Promise<Section> {
  return {
    id: "kernels",
    title: "What the kernels look for",
    body: html`<p>A kernel passes the frequencies at which its Fourier transform is large (section 1.4.2). Vertical structure has its energy along the horizontal frequency axis, horizontal structure along the vertical one.</p>
${paragraph(kernelSentences(before.network))}
${await kernels(before.network, predictedFrequency)}`,
  };
}

async function weightSection({ before }: LinesStudy): Promise<Section> {
  return {
    id: "weights",
    title: "How the channels vote",
    body: html`${paragraph(oppositionSentences(before.network))}${weightsTable(before.network)}`,
  };
}

async function testSection({ before }: LinesStudy): Promise<Section> {
  return {
    id: "test",
    title: "Test images",
    body: html`<p>${count(before.test.count)} new images of lines, none of them seen in training (section 1.4.1). Below each: the probabilities the network gives.</p>${galleryKey()}${await testFigures(before, heading)}`,
  };
}

async function outOfDomainSection({ before }: LinesStudy): Promise<Section> {
  return {
    id: "out-of-domain",
    title: "Out of domain",
    body: html`<p>These images have an orientation but no lines, and the network never saw their like (section 1.4.3). ${outOfDomainSentence(before.outOfDomain)}</p>
${kindsTable(before.outOfDomain)}${galleryKey()}${await kindGalleries(before.outOfDomain)}`,
  };
}

async function vulnerabilitySection(study: LinesStudy): Promise<Section> {
  const { before } = study;
  return {
    id: "vulnerability",
    title: "A vulnerability, predicted",
    body: html`<p>Take an image of horizontal lines and multiply it by cos(2π<var>f</var><var>n</var> + φ) along its columns <var>n</var> (section 1.4.4). Each line becomes a row of dashes, and we still see horizontal lines. But multiplying by a cosine moves the spectrum: half of it by <var>f</var> to the right, half by <var>f</var> to the left. Energy leaves the vertical frequency axis and comes to lie at ±<var>f</var>. Where the kernel that speaks for vertical passes it and the other does not, the network takes the lines for vertical ones.</p>
${await spectra(study)}
${heading("Prediction and measurement")}
<p>So the kernels’ transforms say in advance which <var>f</var> will fool the network: <var>f</var>* = ${frequency(study.predictedFrequency)} cycles/pixel, a period of ${fixed(1 / study.predictedFrequency, 1)} pixels. ${vulnerabilitySentences(study).join(" ")}</p>
${await sweepFigure(study)}
${galleryKey()}
${await modulationFigures(before, heading)}`,
  };
}

async function mendSection(study: LinesStudy): Promise<Section> {
  const { before, after, predictedFrequency } = study;
  const { findings, verdict } = mendSentences(study);
  return {
    id: "mend",
    title: "The mend",
    body: html`<p>The network was retrained with modulated images among its training images, as section 1.4.4 proposes. What the numbers show:</p>
<ul class="findings">${findings.map((finding) => html`<li>${finding}</li>`)}</ul>
<p class="verdict-line">${verdict}</p>
${heading("Accuracy as the frequency varies")}
${await mendedSweepFigure(study)}
${heading("Training")}
${paragraph([...startSentences(after.history), validationSentence(after.history)])}
${await curves(after.history)}
${heading("Kernels")}
${paragraph(kernelSentences(after.network))}
${await kernels(after.network, predictedFrequency)}
${heading("Fully connected weights")}
${paragraph(oppositionSentences(after.network))}
${weightsTable(after.network)}
${galleryKey()}
${await testFigures(after, (text) => heading(`Test images: ${text.toString().toLowerCase()}`))}
${heading("Out of domain")}
<p>${outOfDomainSentence(after.outOfDomain)}</p>
${kindsTable(before.outOfDomain, after.outOfDomain)}
${await kindGalleries(after.outOfDomain)}
${await modulationFigures(after, heading)}`,
  };
}
