/** Matrix products. */
import { StriateError } from "../errors.ts";
import { apply, defineOp } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { broadcastStrides, formatShape, offsets, sameShape, sizeOf, stridesOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, broadcastTensorShapes, sumTo } from "./core/broadcast.ts";
import { add, mul } from "./core/elementwise.ts";
import { reshape, transpose } from "./core/shape.ts";
import { product } from "./product.ts";

function checkTypes(subject: string, a: Value, b: Value): void {
  if (a.dtype !== b.dtype)
    throw new StriateError({ subject, found: `${a.dtype} by ${b.dtype}`, expected: "one element type" });
}

/**
 * Products of the matrices in the last two axes, [..., m, k] by [..., k, n]; the leading axes broadcast.
 * ONNX: https://onnx.ai/onnx/operators/onnx__MatMul.html
 */
export const MatMul = defineOp<Record<never, never>>({
  name: "MatMul",
  domain: "",
  attributes: {},
  arity: [2, 2],
  infer: ([a, b]) => {
    const [left, right] = [a!.shape, b!.shape];
    checkTypes("MatMul", a!, b!);
    if (left.length < 2 || right.length < 2 || left.at(-1) !== right.at(-2))
      throw new StriateError({
        subject: "MatMul",
        found: `${formatShape(left)} by ${formatShape(right)}`,
        expected: "[..., m, k] by [..., k, n]",
      });
    const batch = broadcastShapes([left.slice(0, -2), right.slice(0, -2)], "MatMul");
    return [{ dtype: a!.dtype, shape: [...batch, left.at(-2)!, right.at(-1)!] }];
  },
  evaluate: ([a, b]) => {
    const batch = broadcastTensorShapes([a!.shape.slice(0, -2), b!.shape.slice(0, -2)], "MatMul");
    const [inner, columns] = [a!.shape.at(-1)!, b!.shape.at(-1)!];
    const shape = [...batch, a!.shape.at(-2)!, columns];
    // By one matrix the rows of all matrices are as those of one.
    const isOne = b!.shape.length === 2;
    const [matrices, rows] = isOne ? [[], sizeOf(a!.shape.slice(0, -1))] : [batch, a!.shape.at(-2)!];
    const data = allocate(a!.dtype, sizeOf(shape)) as Float64Array<ArrayBuffer>;
    const leadingOffsets = (of: Tensor) => {
      const strides = isOne ? [] : broadcastStrides(of.shape.slice(0, -2), batch);
      return offsets(matrices, strides).map((each) => each * of.shape.at(-2)! * of.shape.at(-1)!);
    };
    const [leftAt, rightAt] = [leadingOffsets(a!), leadingOffsets(b!)];
    leftAt.forEach((at, matrix) => {
      const left = { numbers: a!.numbers, at, strides: [inner, 1] } as const;
      const right = { numbers: b!.numbers, at: rightAt[matrix]!, strides: [columns, 1] } as const;
      data.set(product(left, right, [rows, inner, columns]), matrix * rows * columns);
    });
    return [new Tensor(a!.dtype, shape, data)];
  },
  gradient: (node, [g]) => {
    const [a, b] = node.inputs as [Value, Value];
    if (!g) return [];
    // One matrix for all: its gradient is one product over all rows, not the sum of one for each matrix of the other.
    const forB = isShared(a, b) ? matmul(swapLast(rowsOf(a)), rowsOf(g)) : sumTo(matmul(swapLast(a), g), b);
    return [sumTo(matmul(g, swapLast(b)), a), forB];
  },
  macs: ({ inputs, outputs }) => sizeOf(outputs[0]!) * inputs[0]!.at(-1)!,
});

/** Whether b is one matrix for several of a, whose rows are then as those of one. */
const isShared = (a: Value, b: Value): boolean =>
  b.shape.length === 2 && a.shape.length > 2 && b.shape.every((length) => typeof length === "number" && length > 0);

/** All rows of all matrices. */
const rowsOf = (x: Value): Value => reshape(x, [-1, x.shape.at(-1) as number]);

const swapLast = (x: Value): Value => {
  const axes = x.shape.map((_, axis) => axis);
  return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
};

export const matmul = (a: Value, b: Value): Value => apply(MatMul, [a, b])[0]!;

interface GemmAttributes {
  alpha: number;
  beta: number;
  transA: number;
  transB: number;
}

const turned = <T>(shape: readonly T[], transposed: number): readonly T[] =>
  transposed ? [shape[1]!, shape[0]!] : shape;

/**
 * alpha A B + beta C for matrices, each of A and B possibly transposed first.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Gemm.html
 */
export const Gemm = defineOp<GemmAttributes>({
  name: "Gemm",
  domain: "",
  attributes: {
    alpha: { kind: "float", default: 1 },
    beta: { kind: "float", default: 1 },
    transA: { kind: "int", default: 0 },
    transB: { kind: "int", default: 0 },
  },
  arity: [2, 3],
  infer: ([a, b, c], { transA, transB }) => {
    const [left, right] = [turned(a!.shape, transA), turned(b!.shape, transB)];
    checkTypes("Gemm", a!, b!);
    if (left.length !== 2 || right.length !== 2 || left[1] !== right[0])
      throw new StriateError({
        subject: "Gemm",
        found: `${formatShape(left)} by ${formatShape(right)}`,
        expected: "m x k by k x n",
      });
    const shape = [left[0]!, right[1]!];
    if (c && !sameShape(broadcastShapes([shape, c.shape], "Gemm"), shape))
      throw new StriateError({ subject: "Gemm", found: `C of ${formatShape(c.shape)}`, expected: formatShape(shape) });
    return [{ dtype: a!.dtype, shape }];
  },
  evaluate: ([a, b, c], { alpha, beta, transA, transB }) => {
    const [rows, inner] = turned(a!.shape, transA) as [number, number];
    const columns = turned(b!.shape, transB)[1]!;
    const [left, right] = [turned(stridesOf(a!.shape), transA), turned(stridesOf(b!.shape), transB)];
    const sums = product(
      { numbers: a!.numbers, at: 0, strides: left as [number, number] },
      { numbers: b!.numbers, at: 0, strides: right as [number, number] },
      [rows, inner, columns],
    );
    const cAt = c && offsets([rows, columns], broadcastStrides(c.shape, [rows, columns]));
    const data = allocate(a!.dtype, rows * columns);
    for (let at = 0; at < data.length; at++) data[at] = alpha * sums[at]! + (c ? beta * c.numbers[cAt![at]!]! : 0);
    return [new Tensor(a!.dtype, [rows, columns], data)];
  },
  gradient: (node, [g], { alpha, beta, transA, transB }) => {
    if (!g) return [];
    const [a, b, c] = node.inputs as [Value, Value, Value | undefined];
    const da = transA ? gemm(b, g, { alpha, transA: transB, transB: 1 }) : gemm(g, b, { alpha, transB: 1 - transB });
    const db = transB ? gemm(g, a, { alpha, transA: 1, transB: transA }) : gemm(a, g, { alpha, transA: 1 - transA });
    return [da, db, c && sumTo(beta === 1 ? g : mul(g, beta), c)];
  },
  macs: ({ inputs, outputs }, { transA }) => sizeOf(outputs[0]!) * turned(inputs[0]!, transA)[1]!,
});

export const gemm = (a: Value, b: Value, attributes: Partial<GemmAttributes> = {}, c?: Value): Value =>
  apply(Gemm, c ? [a, b, c] : [a, b], attributes)[0]!;

/** x W^T + b: rows of features [batch, in] by weights [out, in], with a bias [out]. */
export const linearTransform = (x: Value, weight: Value, bias?: Value): Value =>
  x.shape.length === 2 ? gemm(x, weight, { transB: 1 }, bias) : withBias(matmul(x, transpose(weight)), bias);

const withBias = (y: Value, bias: Value | undefined): Value => (bias ? add(y, bias) : y);
