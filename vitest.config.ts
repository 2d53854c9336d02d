import { defineConfig } from "vitest/config";

/** Rooms whose tests compute in plain loops, each on one thread: they run side by side. */
const plain = [
  "src/{errors,tensor,graph,ops,autodiff,onnx,nn,models,data}{,/**/}*.test.ts",
  "test/{check,fuzz,onnx-cases}/**/*.test.ts",
];

export default defineConfig({
  resolve: { alias: { striate: new URL("./src/index.ts", import.meta.url).pathname } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "plain", include: plain, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          // These take all cores, and some look at the clock: one after the other.
          name: "engines",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: plain,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
