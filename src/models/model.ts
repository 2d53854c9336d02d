/** A model: a graph and its parameters, with what is needed to feed it and to name its answers. */
import * as valibot from "valibot";
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph, variablesOf } from "../graph/graph.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { type Layer, Scope } from "../nn/scope.ts";
import { type DecodeOptions, decode } from "../onnx/decode.ts";
import { encode } from "../onnx/encode.ts";
import { readExternalData } from "../onnx/external.ts";
import { readFile, writeFileAtomic } from "../platform/files.ts";
import { encodeSafetensors } from "../tensor/safetensors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Preprocessing, parsePreprocessing } from "./preprocessing.ts";

export interface ModelParts {
  /** What it is called in messages: a catalog name or a file. */
  readonly name: string;
  /** Its first input is the images, its first output the prediction. */
  readonly graph: Graph;
  /** The values of the graph's parameters and states, by name. */
  readonly variables: ReadonlyMap<string, Tensor>;
  /** How pictures become its input. */
  readonly preprocessing?: Preprocessing;
  /** The classes' names, in the order of its logits. */
  readonly classes?: readonly string[];
}

const textList = valibot.array(valibot.string());

/**
 * A network with its weights, from whatever source: built from layers, or read from an ONNX file.
 *
 * @example
 * import { lenet5, Model } from "striate";
 *
 * const model = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * console.assert(model.parameterCount === 61_706);
 */
export class Model {
  readonly name: string;
  readonly graph: Graph;
  readonly variables: ReadonlyMap<string, Tensor>;
  readonly preprocessing?: Preprocessing;
  readonly classes?: readonly string[];

  constructor({ name, graph, variables, preprocessing, classes }: ModelParts) {
    this.name = name;
    this.graph = graph;
    this.variables = variables;
    this.preprocessing = preprocessing;
    this.classes = classes;
  }

  /**
   * Traces a layer and draws its first weights.
   * @param input the shape of one input without the batch, such as [channels, height, width]
   */
  static build(
    layer: Layer,
    { name, input, seed = 0 }: { name: string; input: readonly Dimension[]; seed?: number },
  ): Model {
    const image = inputValue("image", { dtype: "float32", shape: ["batch", ...input] });
    const scope = new Scope();
    const graph = makeGraph([image], { logits: layer(image, scope) });
    return new Model({ name, graph, variables: scope.initialise(seed) });
  }

  /** The shape of one input, without the batch. */
  get inputShape(): readonly Dimension[] {
    return this.graph.inputs[0]!.shape.slice(1);
  }

  /** How many numbers training can change, and how many it keeps: all parameters and states. */
  get parameterCount(): number {
    return variablesOf(this.graph).reduce((sum, { source }) => sum + this.variables.get(source.name)!.size, 0);
  }

  /** The same model with some of its parts replaced. */
  with(parts: Partial<ModelParts>): Model {
    return new Model({ ...this, ...parts });
  }

  /** The model as an ONNX file, which ONNX Runtime runs as it is; preprocessing and classes are kept in its metadata. */
  toOnnx(): Uint8Array {
    const metadata: Record<string, string> = { "striate.name": this.name };
    if (this.preprocessing) metadata["striate.preprocessing"] = JSON.stringify(this.preprocessing);
    if (this.classes) metadata["striate.classes"] = JSON.stringify(this.classes);
    return encode(this.graph, { variables: this.variables, metadata });
  }

  /**
   * A model from the bytes of an ONNX file.
   * @param subject what to call the file in errors
   * @throws StriateError for bytes that are not an ONNX model that Striate can run
   */
  static fromOnnx(bytes: Uint8Array, subject = "model", options: Pick<DecodeOptions, "externalData"> = {}): Model {
    const { graph, variables, metadata } = decode(bytes, subject, options);
    if (graph.inputs.length === 0 || graph.outputs.size === 0)
      throw new StriateError({ subject, found: "a graph without inputs or outputs", expected: "at least one of each" });
    const kept = (key: string): unknown => parseMetadata(metadata[`striate.${key}`], key, subject);
    const preprocessing = kept("preprocessing");
    const classes = kept("classes");
    if (classes !== undefined && !valibot.is(textList, classes))
      throw new StriateError({ subject, found: "class names that are not texts", expected: "a list of texts" });
    return new Model({
      name: metadata["striate.name"] ?? subject,
      graph,
      variables,
      preprocessing: preprocessing === undefined ? undefined : parsePreprocessing(preprocessing, subject),
      classes,
    });
  }

  /** Writes the model to a file: `.onnx`, or `.safetensors` for the weights alone. */
  async save(path: string): Promise<void> {
    if (path.endsWith(".onnx")) return writeFileAtomic(path, this.toOnnx());
    if (path.endsWith(".safetensors")) return writeFileAtomic(path, encodeSafetensors(this.variables));
    throw new StriateError({ subject: path, found: "another ending", expected: "a name in .onnx or .safetensors" });
  }
}

function parseMetadata(text: string | undefined, key: string, subject: string): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StriateError({ subject, found: `metadata striate.${key} that is not JSON`, expected: "JSON", cause });
  }
}

export interface LoadOptions {
  /**
   * The folder in which the file may keep weights in other files; without it a file that does is refused. Nothing
   * outside it is read: no absolute path, no `..`, no link of any kind.
   */
  readonly externalData?: string;
}

/**
 * Reads a model from an ONNX file.
 * @throws StriateError for a file that is not there, is not an ONNX model, or asks for what Striate does not have
 */
export async function load(path: string, { externalData }: LoadOptions = {}): Promise<Model> {
  const bytes = await readFile(path);
  if (externalData === undefined) return Model.fromOnnx(bytes, path);
  return Model.fromOnnx(bytes, path, { externalData: await readExternalData(bytes, path, externalData) });
}
