/** Commands that compute heed STRIATE_ENGINE. */
import { describe, expect, test, vi } from "vitest";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();

describe("an engine there is not is refused before anything is opened", () => {
  test.each([
    ["eval", "missing.onnx", "--data", "lines"],
    ["predict", "missing.onnx", "missing.png"],
    ["train", "--model", "missing", "--data", "lines", "--out", `${folder}/run`],
    ["verify", "missing.onnx", "missing.safetensors"],
    ["lines", "--out", `${folder}/lines`],
  ])("by striate %s", async (...words) => {
    vi.stubEnv("STRIATE_ENGINE", "typo");
    const { code, said } = await striate(...words);
    vi.unstubAllEnvs();
    expect(said).toContain("STRIATE_ENGINE: found typo; expected one of ort, onednn, reference.");
    expect(code).toBe(1);
  });
});
