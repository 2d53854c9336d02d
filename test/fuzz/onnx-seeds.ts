/** Valid models to make wrong ones of: a small network of ours, and the standard's own cases where they are there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  batchNorm,
  conv2d,
  globalAveragePool,
  linear,
  Model,
  maxPool2d,
  relu,
  residual,
  sequential,
} from "../../src/index.ts";
import { type ModelProto, ModelProtoSchema, TensorProtoSchema } from "../../src/onnx/generated/onnx_pb.ts";
import { operators } from "../../src/ops/registry.ts";

const network = sequential({
  conv1: conv2d({ channels: 4, kernel: 3, padding: 1, stride: 2, bias: false }),
  bn1: batchNorm(),
  relu1: relu(),
  pool: maxPool2d({ kernel: 2 }),
  block: residual({ body: sequential({ conv2: conv2d({ channels: 4, kernel: 3, padding: "same", groups: 2 }) }) }),
  relu2: relu(),
  global: globalAveragePool(),
  fc: linear({ features: 3 }),
});

/** A case with the inputs that its operators take as settings kept in the file, as exporters keep them. */
function readCase(folder: string): ModelProto {
  const model = fromBinary(ModelProtoSchema, readFileSync(join(folder, "model.onnx")));
  const graph = model.graph!;
  const settings = new Set<string>();
  for (const node of graph.node)
    for (const operand of operators.get(`:${node.opType}`)?.settings ?? [1, 2, 3])
      settings.add(node.input[operand] ?? "");
  for (const [index, { name }] of graph.input.entries()) {
    const path = join(folder, "test_data_set_0", `input_${index}.pb`);
    if (!settings.has(name) || !existsSync(path)) continue;
    const tensor = fromBinary(TensorProtoSchema, readFileSync(path));
    tensor.name = name;
    graph.initializer.push(tensor);
  }
  const stored = new Set(graph.initializer.map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !stored.has(name));
  return model;
}

/** The models, from a folder of the standard's cases, or ours alone where there is none. */
export function readSeeds(folder: string | undefined): ModelProto[] {
  const own = Model.build(network, { name: "small", input: [1, 12, 12], seed: 1 });
  const ours = fromBinary(ModelProtoSchema, own.toOnnx());
  if (folder === undefined) return [ours];
  const cases = readdirSync(folder)
    .sort()
    .map((name) => readCase(join(folder, name)));
  // Every fourth file is of the network, whose nodes depend on each other.
  return cases.flatMap((each, index) => (index % 3 === 0 ? [ours, each] : [each]));
}
