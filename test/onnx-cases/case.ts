/** One of the ONNX standard's own cases: a model, inputs, and the outputs they must give. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import type { Engine } from "../../src/engine/engine.ts";
import { type DecodedModel, decode } from "../../src/onnx/decode.ts";
import { parseModel } from "../../src/onnx/file.ts";
import { TensorProtoSchema } from "../../src/onnx/generated/onnx_pb.ts";
import { decodeTensor } from "../../src/onnx/tensor.ts";
import { operators } from "../../src/ops/registry.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import { formatShape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { trainingCompositions } from "./training.ts";

/** The standard's own tolerance: |found - expected| <= absolute + relative |expected|. */
const relative = 1e-3;
const absolute = 1e-7;

interface StandardCase {
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: readonly (readonly [string, Tensor])[];
  /** Inputs that operators take as settings, such as shapes and axes. */
  readonly settings: ReadonlySet<string>;
}

const readTensor = (path: string): Tensor => decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), path);

function readCase(folder: string): StandardCase {
  const bytes = readFileSync(join(folder, "model.onnx"));
  const { graph } = parseModel(bytes, folder);
  const tensorsOf = (kind: "input" | "output", infos: readonly { readonly name: string }[]) =>
    infos.flatMap(({ name }, index): [string, Tensor][] => {
      const path = join(folder, "test_data_set_0", `${kind}_${index}.pb`);
      return existsSync(path) ? [[name, readTensor(path)]] : [];
    });
  const inputs = new Map(tensorsOf("input", graph!.input));
  const settings = new Set<string>();
  for (const node of graph!.node)
    for (const operand of operators.get(`:${node.opType}`)?.settings ?? []) settings.add(node.input[operand] ?? "");
  return { bytes, inputs, outputs: tensorsOf("output", graph!.output), settings };
}

/**
 * The model with as few of its inputs known beforehand as it can do with: none, those that are settings, the whole
 * numbers after the first input, all after the first, all.
 */
function decodeCase({ bytes, inputs, settings }: StandardCase): DecodedModel {
  const choices: ((entry: readonly [string, Tensor], index: number) => boolean)[] = [
    () => false,
    ([name]) => settings.has(name),
    ([, { dtype }], index) => index > 0 && !isFloat(dtype),
    (_, index) => index > 0,
    () => true,
  ];
  let last: unknown;
  for (const choose of choices)
    try {
      const known = new Map([...inputs].filter((entry, index) => choose(entry, index)));
      return decode(bytes, "model", { known, compositions: trainingCompositions });
    } catch (error) {
      last = error;
    }
  throw last;
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

/** The reason for which an engine fails a case, as one line, or undefined when it passes. */
export async function failureOf(folder: string, engine: Engine): Promise<string | undefined> {
  try {
    const standard = readCase(folder);
    const { graph, variables } = decodeCase(standard);
    const program = await engine.compile(graph, variables, { threads: 1 });
    try {
      const feeds = graph.inputs.map(({ source }) => [source.name, standard.inputs.get(source.name)!]);
      const found = await program.run(Object.fromEntries(feeds));
      for (const [name, expected] of standard.outputs) {
        const said = graph.outputs.get(name);
        if (!said || !found.has(name)) return `${name}: there is no such output`;
        if (said.dtype !== expected.dtype) return `${name}: ${said.dtype}; expected ${expected.dtype}`;
        const difference = differenceOf(found.get(name)!, expected);
        if (difference) return `${name}: ${difference}`;
      }
      return undefined;
    } finally {
      await program.dispose();
    }
  } catch (error) {
    return sentence(error);
  }
}

function differenceOf(found: Tensor, expected: Tensor): string | undefined {
  if (!sameShape(found.shape, expected.shape))
    return `shape ${formatShape(found.shape)}; expected ${formatShape(expected.shape)}`;
  const kept = found.dtype === expected.dtype || (isFloat(found.dtype) && isFloat(expected.dtype));
  if (!kept) return `${found.dtype}; expected ${expected.dtype}`;
  for (let index = 0; index < expected.size; index++) {
    const [a, b] = [Number(found.data[index]), Number(expected.data[index])];
    const isNear = Math.abs(a - b) <= absolute + relative * Math.abs(b);
    if (!isNear && !Object.is(a, b) && a !== b) return `element ${index} is ${a}; expected ${b}`;
  }
  return undefined;
}
