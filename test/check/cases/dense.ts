import { Dropout, SliceDropout } from "../../../src/ops/dropout.ts";
import { Gemm, MatMul } from "../../../src/ops/matmul.ts";
import { LogSoftmax, Softmax } from "../../../src/ops/softmax.ts";
import { moving, type OpCase, type OperandSpec, row } from "../case.ts";
import { exactly } from "../draw.ts";

const transpositions = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

export const matmulCases: readonly OpCase[] = [
  row(MatMul, "two matrices", [moving(["batch", 3]), moving([3, 4])]),
  row(MatMul, "a batch of each", [moving(["batch", 3, 4]), moving(["batch", 4, 2])]),
  row(MatMul, "a batch by one matrix", [moving(["batch", 3, 4]), moving([4, 2])]),
  row(MatMul, "batches that broadcast", [moving([3, 1, 2, 4]), moving(["batch", 4, 3])]),
  ...transpositions.flatMap(([transA, transB]) => {
    const a = moving(transA ? [4, "batch"] : ["batch", 4]);
    const b = moving(transB ? [3, 4] : [4, 3]);
    const turned = `${transA ? "A'" : "A"} ${transB ? "B'" : "B"}`;
    return [
      row(Gemm, turned, [a, b], { attributes: { transA, transB } }),
      row(Gemm, `1.5 ${turned} - 0.5 C, C a row`, [a, b, moving([3])], {
        attributes: { transA, transB, alpha: 1.5, beta: -0.5 },
      }),
    ];
  }),
  row(Gemm, "C a column", [moving(["batch", 4]), moving([4, 3]), moving(["batch", 1])]),
  row(Gemm, "C a scalar", [moving(["batch", 4]), moving([4, 3]), moving([])]),
];

export const softmaxCases: readonly OpCase[] = [Softmax, LogSoftmax].flatMap((op) => [
  row(op, "the last axis", [moving(["batch", 3, 4])]),
  row(op, "the channels", [moving(["batch", 3, 4])], { attributes: { axis: 1 } }),
  row(op, "the first axis", [moving([4, 3])], { attributes: { axis: 0 } }),
  row(op, "large scores", [moving([1, 3], exactly(1000, 1001, 999))]),
]);

const ratio: OperandSpec = { shape: [], draw: exactly(0.3), constant: true };

export const dropoutCases: readonly OpCase[] = [
  row(Dropout, "passes everything", [moving(["batch", 3])]),
  row(Dropout, "passes everything whatever the ratio", [moving(["batch", 3]), ratio]),
  row(SliceDropout, "passes every map", [moving(["batch", 3, 2, 2])], { attributes: { ratio: 0.25 } }),
  row(SliceDropout, "passes every sample", [moving(["batch", 3])], { attributes: { ratio: 0.25, axes: 1 } }),
];
