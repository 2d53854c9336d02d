import { describe, expect, test } from "vitest";
import { decodeImage } from "../../src/platform/image.ts";
import { chart, decades, responsiveChart } from "../../src/report/charts.ts";
import { cssGradient, diverging, greys, sequential } from "../../src/report/colours.ts";
import { greyImage, heatMap, kernelImage, outline, reachOf, spectrumFigure } from "../../src/report/figures.ts";
import { frequencyOf, preference } from "../../src/report/spectrum.ts";
import { counted, fixed, listed, percent, points, precise } from "../../src/report/words.ts";
import { derivativeKernel } from "./lines-fixture.ts";

async function decode(address: string) {
  expect(address).toMatch(/^data:image\/png;base64,/);
  const bytes = Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  const { width, height, channels, data } = await decodeImage(bytes, "figure");
  return { size: [width, height, channels], data: Array.from(data) };
}

describe("pictures", () => {
  test("grey images show -1 black, 0 mid-grey and 1 white, and cut off the rest", async () => {
    const { size, data } = await decode(await greyImage(Float32Array.of(-3, -1, 0, 1, 9, 0, 0, 0, Number.NaN)));
    expect(size).toEqual([3, 3, 1]);
    expect(data).toEqual([0, 0, 128, 255, 255, 128, 128, 128, 0]);
  });

  test("kernels have zero in the middle of the map, whatever their signs", async () => {
    const { data } = await decode(await kernelImage(Float32Array.of(2, 0, -2, 0), 2));
    expect(data).toEqual([...diverging(1), ...diverging(0.5), ...diverging(0), ...diverging(0.5)]);
  });

  test("a logarithmic scale spaces decades evenly, and takes what is below its low end as that end", async () => {
    const scale = { map: greys, low: 0.01, high: 1, scale: "log" } as const;
    const { data } = await decode(await heatMap(Float32Array.of(1, 0.1, 0.01, 0), scale));
    expect(data.filter((_, index) => index % 3 === 0)).toEqual([255, 128, 0, 0]);
  });

  test("numbers that are all alike make a picture", async () => {
    const { data } = await decode(await heatMap(new Float32Array(4), { map: sequential, low: 0, high: 0 }));
    expect(new Set(data).size).toBeLessThanOrEqual(3);
  });

  test("what is not square is refused", async () => {
    await expect(greyImage(new Float32Array(5))).rejects.toThrow(
      "greyImage: found 5 numbers; expected a square image, such as 64 x 64 = 4096.",
    );
  });

  test("a spectrum has its axes, its alternative text and its marks", async () => {
    const { spectrum } = derivativeKernel(0, 1);
    const marks = [{ kind: "ring", frequency: 0.25 }] as const;
    const { text } = await spectrumFigure(spectrum, {
      title: "T",
      alt: "a <spectrum>",
      high: reachOf(spectrum),
      marks,
    });
    expect(text).toContain('alt="a &lt;spectrum&gt;"');
    expect(text).toContain("<span>−½</span><span>0</span><span>½</span>");
    expect(text).toContain('cx="48.5" cy="32.5"');
    expect(text).toContain('cx="16.5" cy="32.5"');
  });

  test("an outline runs along the edges of what is above a value", () => {
    const path = outline(Float32Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0), 3, 0.5);
    expect(path.match(/M\d \d[hv]1/g)?.sort()).toEqual(["M1 1h1", "M1 1v1", "M1 2h1", "M2 1v1"]);
  });

  test("colour maps run from end to end, and a gradient shows them", () => {
    expect(greys(0)).toEqual([0, 0, 0]);
    expect(greys(2)).toEqual([255, 255, 255]);
    expect(cssGradient(greys)).toMatch(/^linear-gradient\(to right, rgb\(0 0 0\), .*rgb\(255 255 255\)\)$/);
    const lightness = Array.from({ length: 9 }, (_, index) => sequential(index / 8).reduce((sum, part) => sum + part));
    expect(lightness).toEqual([...lightness].sort((left, right) => left - right));
  });
});

describe("what a kernel prefers", () => {
  test("is read off its spectrum", () => {
    expect(preference(derivativeKernel(0, 1).spectrum)).toMatchObject({ orientation: "vertical" });
    expect(preference(derivativeKernel(1, 2).spectrum)).toMatchObject({ orientation: "horizontal" });
    expect(preference(derivativeKernel(0, 2).spectrum).frequency).toBeGreaterThan(0.1);
    const point = new Float32Array(4096).fill(1);
    expect(preference(point).orientation).toBe("none");
    expect(preference(new Float32Array(4096))).toMatchObject({ orientation: "none", coherence: 0 });
    const oblique = new Float32Array(4096);
    oblique[40 * 64 + 40] = 1;
    expect(preference(oblique)).toMatchObject({ orientation: "oblique", coherence: 1 });
    expect(preference(oblique).angle).toBeCloseTo(45);
  });

  test("frequencies are zero in the middle and reach minus one half", () => {
    expect([0, 32, 48].map((index) => frequencyOf(index, 64))).toEqual([-0.5, 0, 0.25]);
  });
});

describe("charts", () => {
  const options = {
    alt: `a "chart" <x>`,
    x: { label: "x & y", domain: [0, 1] },
    y: { label: "y", domain: [0, 1] },
    series: [{ points: [{ x: 0, y: 0 }], colour: "vertical", form: "both" }],
    rules: [{ at: 0.2, label: "<left>" }],
    height: 100,
  } as const;

  test("are drawings with a name whose colours are the page's own", async () => {
    const { text } = await chart({ ...options, width: 300 });
    expect(text).toMatch(/^<svg .*role="img"/s);
    expect(text).toContain("a &quot;chart&quot;");
    expect(text).toContain("var(--vertical)");
    expect(text).toContain("x &amp; y");
    expect(text).toContain("&lt;left&gt;");
    expect(text).not.toContain("<left>");
  });

  test("come at two widths", async () => {
    const { text } = await responsiveChart(options, 900);
    expect(text.match(/<svg /g)).toHaveLength(2);
    expect(text).toContain('viewBox="0 0 328 100"');
  });

  test("decades enclose the numbers, and hold out against zero and NaN", () => {
    expect(decades([0.02, 0.5])).toEqual({ domain: [0.01, 1], ticks: [0.01, 0.1, 1] });
    expect(decades([0, Number.NaN]).domain[0]).toBeCloseTo(1e-5, 12);
    expect(decades([]).ticks.length).toBeGreaterThanOrEqual(2);
  });
});

test("numbers as words", () => {
  expect([1, 0, 0.5, 0.9999, 0.99999, 0.9999999, 1e-7].map(percent)).toEqual([
    "100%",
    "0%",
    "50.0%",
    "99.99%",
    "99.999%",
    "over 99.999%",
    "under 0.001%",
  ]);
  expect([0.012, -0.03, 0.0001].map(points)).toEqual(["+1.2", "−3.0", "0"]);
  expect([fixed(-0.001), fixed(-2.5, 1), fixed(Number.NaN)]).toEqual(["0.00", "−2.5", "not a number"]);
  expect([0.0216, 1234, 1e-5, -2.5e-12, -0.5].map(precise)).toEqual([
    "0.022",
    "1200",
    "10⁻⁵",
    "−2.5\u00a0×\u00a010⁻¹²",
    "−0.5",
  ]);
  expect([0, 1, 12345].map((value) => counted(value, "error"))).toEqual(["no errors", "1 error", "12,345 errors"]);
  expect([listed([]), listed(["a"]), listed(["a", "b", "c"])]).toEqual(["", "a", "a, b and c"]);
});
