import { parseHTML } from "linkedom";
import { beforeAll, describe, expect, test } from "vitest";
import { linesReport } from "../../src/report/lines.ts";
import type { LearnedNetwork, LinesPart, LinesStudy } from "../../src/report/lines-study.ts";
import {
  kernelSentences,
  leadSentences,
  mendSentences,
  oppositionSentences,
  outOfDomainSentence,
  startSentences,
  stretches,
  vulnerabilitySentences,
} from "../../src/report/lines-words.ts";
import { derivativeKernel, opposedNetwork, syntheticStudy } from "./lines-fixture.ts";

const study = syntheticStudy();
let report: string;
let page: Document;
beforeAll(async () => {
  report = await linesReport(study);
  page = parseHTML(report).document;
});

const images = (section: string) => page.querySelectorAll(`#${section} .gallery img`).length;

describe("linesReport", () => {
  test("has every section, in order, and links to each", () => {
    const sections = [...page.querySelectorAll("section")].map(({ id }) => id);
    expect(sections).toEqual([
      "training-images",
      "training",
      "kernels",
      "weights",
      "test",
      "out-of-domain",
      "vulnerability",
      "mend",
    ]);
    const links = [...page.querySelectorAll("nav a")].map((link) => link.getAttribute("href"));
    expect(links).toEqual(sections.map((id) => `#${id}`));
  });

  test("leads with the figures before and after the mend", () => {
    const rows = [...page.querySelectorAll(".headline tbody tr")].map((row) =>
      [...row.querySelectorAll("td")].map((cell) => cell.textContent),
    );
    expect(rows).toEqual([
      ["3", "5"],
      ["95.0%", "91.0%"],
      ["12.5%", "100%"],
      ["0%", "100%"],
    ]);
  });

  test("shows every sample, every example and every error", () => {
    expect(images("training-images")).toBe(16);
    expect(images("test")).toBe(16 + 3);
    expect(images("out-of-domain")).toBe(4 * 8);
    expect(images("vulnerability")).toBe(2 * 8);
    expect(images("mend")).toBe(16 + 5 + 4 * 8 + 2 * 8);
    expect(page.querySelectorAll("#test .wrong")).toHaveLength(3);
    expect(page.querySelectorAll("#vulnerability .wrong")).toHaveLength(7 + 8);
  });

  test("draws curves, kernels, spectra and both sweeps", () => {
    expect(page.querySelectorAll("#training .charts svg")).toHaveLength(3);
    expect(page.querySelectorAll("#kernels .panel")).toHaveLength(4);
    expect(page.querySelectorAll("#vulnerability .panel")).toHaveLength(4);
    expect(page.querySelectorAll("#vulnerability .sweep svg")).toHaveLength(4);
    expect(page.querySelectorAll("#mend .charts svg")).toHaveLength(3);
    expect(page.querySelectorAll("#mend .panel")).toHaveLength(4);
    expect(page.querySelectorAll("#mend .sweep svg")).toHaveLength(2);
    expect(page.querySelectorAll("table")).toHaveLength(6 - 1);
  });

  test("loads nothing, runs nothing, and is small", () => {
    const addresses = [...page.querySelectorAll("[src], [href]")].map(
      (element) => element.getAttribute("src") ?? element.getAttribute("href") ?? "",
    );
    expect(addresses.filter((address) => !/^(#[a-z-]+|data:image\/png;base64,)/.test(address))).toEqual([]);
    expect(report.replace(/xmlns="[^"]*"/g, "")).not.toMatch(/https?:\/\/|url\(|@import|<script|<link/);
    expect(report.length).toBeLessThan(3e6);
  });

  test("stays small with as many errors as a study holds", async () => {
    const noise = Float32Array.from({ length: 4096 }, (_, index) => Math.sin(index * index * 1.7) * 0.9);
    const mistake = { pixels: noise, label: 0, probabilities: [0.2, 0.8] } as const;
    const flawed = (part: LinesPart): LinesPart => ({
      ...part,
      test: { ...part.test, errors: 140, mistakes: Array.from({ length: 100 }, () => mistake) },
    });
    const many = await linesReport({ ...study, before: flawed(study.before), after: flawed(study.after) });
    expect(many.length).toBeLessThan(3e6);
    expect(many).toContain("140 images of 10,000 were misclassified; the first 100 are shown.");
  });

  test("every picture and chart has a name, every table its headers", () => {
    for (const image of page.querySelectorAll("img")) expect(image.getAttribute("alt")).toBeTruthy();
    for (const chart of page.querySelectorAll("svg"))
      expect(chart.getAttribute("aria-label") ?? chart.getAttribute("aria-hidden")).toBeTruthy();
    for (const table of page.querySelectorAll("table")) {
      expect(table.querySelector("caption")).not.toBeNull();
      expect(table.querySelectorAll('tbody th[scope="row"]')).toHaveLength(table.querySelectorAll("tbody tr").length);
    }
  });

  test("escapes what a study says", async () => {
    const kind = { ...study.before.outOfDomain[0]!, kind: `<img src=x onerror="1">`, about: "</p><script>1</script>" };
    const part = { ...study.before, outOfDomain: [kind] };
    const hostile = await linesReport({ ...study, before: part, after: part });
    expect(hostile).not.toContain("<script");
    expect(hostile).not.toContain("<img src=x");
    expect(hostile).toContain("&lt;img src=x onerror=&quot;1&quot;&gt;");
  });

  test("holds out against a study with nothing in it", async () => {
    const empty = (part: LinesPart): LinesPart => ({
      ...part,
      history: { starts: [], restarts: 0, steps: [], validation: [] },
      test: { count: 0, errors: 0, examples: [], mistakes: [] },
      outOfDomain: [],
      sweep: [],
    });
    const bare = {
      ...study,
      before: empty(study.before),
      after: empty(study.after),
      prediction: [],
      trainingSamples: [],
    };
    const text = await linesReport({ ...bare, mendedBand: undefined });
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("refuses images of another size", async () => {
    const small = { pixels: new Float32Array(9), label: 0 } as const;
    await expect(linesReport({ ...study, trainingSamples: [small] })).rejects.toThrow(
      "linesReport: image: found 9 numbers; expected 4096 (64 x 64).",
    );
  });
});

const network = (weights: LearnedNetwork["weights"]): LearnedNetwork => ({ ...opposedNetwork(), weights });
const withPart = (part: "before" | "after", changes: Partial<LinesPart>): LinesStudy => ({
  ...study,
  [part]: { ...study[part], ...changes },
});
const flat = (accuracy: number) => study.after.sweep.map(({ frequency }) => ({ frequency, accuracy }));

describe("sentences change with the numbers", () => {
  test("on the opposition of the channels", () => {
    expect(oppositionSentences(opposedNetwork())).toEqual([
      "The two channels oppose one another: channel 1 speaks for vertical (weights 2.83 and −0.60 to vertical and horizontal), channel 2 for horizontal (−2.36 and 1.14).",
      "In each channel the two weights have opposite signs, so what speaks for one class also speaks against the other, as in the matrix of section 1.4.2.",
    ]);
    const swapped = oppositionSentences(
      network([
        [-1, 3],
        [1, 2],
      ]),
    );
    expect(swapped[0]).toContain("channel 1 speaks for horizontal");
    expect(swapped[1]).toContain("both weights have the same sign");
    expect(
      oppositionSentences(
        network([
          [1, 2],
          [0, 1],
        ]),
      ),
    ).toEqual([
      "The weights show no clear opposition: both channels speak for vertical (differences 1.00 and 1.00), and the bias alone speaks for the other class.",
    ]);
    expect(
      oppositionSentences(
        network([
          [1, 0.01],
          [-1, 0.02],
        ]),
      )[0],
    ).toMatch(/no clear opposition.*nearly all of the work/);
  });

  test("a report of a network without opposition says so", async () => {
    const text = await linesReport(
      withPart("before", {
        network: network([
          [1, 2],
          [0, 1],
        ]),
      }),
    );
    expect(text).toContain("The weights show no clear opposition");
  });

  test("on what the kernels answer to", () => {
    expect(kernelSentences(opposedNetwork())[0]).toMatch(
      /^The kernel of channel 1 answers to vertical .*, and speaks for that class\.$/,
    );
    const turned = { ...opposedNetwork(), kernels: [derivativeKernel(1, 1), derivativeKernel(1, 2)] } as const;
    expect(kernelSentences(turned)[0]).toMatch(/answers to horizontal structure.*although it speaks for vertical\.$/);
  });

  test("on the start of training", () => {
    expect(startSentences(study.before.history).join(" ")).toBe(
      "6 random starts were tried for one epoch, and the one with validation loss 0.045 was trained on. 3 starts stayed above 0.6, close to the ln 2 ≈ 0.69 of guessing. No restart was needed.",
    );
    expect(startSentences({ ...study.before.history, starts: [], restarts: 2 })).toEqual([
      "Training went back to another start 2 times because the loss stayed high.",
    ]);
  });

  test("on what is out of domain", () => {
    expect(outOfDomainSentence(study.before.outOfDomain)).toContain(
      "answers to orientation where there are no lines, too",
    );
    const poor = study.before.outOfDomain.map((kind, index) => ({ ...kind, accuracy: index === 0 ? 0.4 : 1 }));
    expect(outOfDomainSentence(poor)).toBe(
      "Accuracy runs from 40.0% (gratings) to 100% (oriented noise). 1 kind of 4 is below 90%: there its notion of orientation is not ours.",
    );
  });

  test("on the vulnerability", () => {
    expect(vulnerabilitySentences(study)[1]).toMatch(
      /wrong more often than right from 0\.\d+ to 0\.\d+ .* lies in this range/,
    );
    expect(vulnerabilitySentences(study)[2]).toMatch(
      /^The sign of D tells rightly at \d+ of the 51 measured frequencies/,
    );
    const robust = withPart("before", { sweep: flat(0.97) });
    expect(vulnerabilitySentences(robust)[1]).toContain("never falls below one half; the lowest is 97.0%");
    expect(vulnerabilitySentences({ ...study, predictedFrequency: 0.4 })[1]).toContain("lies outside this range");
    expect(leadSentences(withPart("before", { modulated: { ...study.before.modulated, accuracy: 0.8 } }))[1]).toContain(
      "did not come true",
    );
  });

  test("on the mend", () => {
    const { findings, verdict } = mendSentences(study);
    expect(findings[0]).toBe("On plain test images: 5 errors in 10,000, against 3 before.");
    expect(findings[2]).toMatch(
      /^It was retrained with frequencies from 0\.063 to 0\.250 .* and falls to 0% at 0\.380/,
    );
    expect(findings[3]).toBe(
      "Out of domain the mended network is worse on gratings (−7.0 points, now 91.0%). The other kinds changed by at most two points.",
    );
    expect(mendSentences({ ...study, after: study.before }).findings[0]).toBe(
      "On plain test images: 3 errors in 10,000, as before.",
    );
    expect(verdict).toContain("holds where images were shown and not everywhere else");
    expect(mendSentences(withPart("after", { sweep: flat(1) })).verdict).toContain("holds at every frequency measured");
    const failed = withPart("after", { modulated: { ...study.after.modulated, accuracy: 0.3 } });
    expect(mendSentences(failed).verdict).toContain("did not do what it was made for");
  });

  test("stretches join neighbouring points in order of frequency", () => {
    const sweep = [0.3, 0, 0.1, 0.2].map((frequency) => ({ frequency, accuracy: frequency === 0.2 ? 0 : 1 }));
    expect(stretches(sweep, (accuracy) => accuracy > 0.5)).toEqual([
      [0, 0.1],
      [0.3, 0.3],
    ]);
  });
});
