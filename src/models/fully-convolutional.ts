/** Classifiers that become convolutional, to be asked about images of any size. */
import { StriateError } from "../errors.ts";
import { rewrite, withInputs } from "../graph/rewrite.ts";
import { constantOf, type Dimension, inputValue, type Node, producerOf, type Value } from "../graph/value.ts";
import * as activation from "../ops/activation.ts";
import { BatchNormalization } from "../ops/batch-normalisation.ts";
import { conv } from "../ops/conv.ts";
import * as elementwise from "../ops/core/elementwise.ts";
import { ReduceMean } from "../ops/core/reduce.ts";
import { Flatten, Reshape, reshape, Squeeze, transpose } from "../ops/core/shape.ts";
import { Dropout } from "../ops/dropout.ts";
import { Gemm, MatMul } from "../ops/matmul.ts";
import { averagePool, GlobalAveragePool } from "../ops/pool.ts";
import { LogSoftmax, logSoftmax, Softmax, softmax } from "../ops/softmax.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import type { Model } from "./model.ts";

/** What treats every element alike, whatever the axes. */
const alike = new Set<unknown>([Dropout, ...Object.values(elementwise), ...Object.values(activation)]);
const flattening = new Set<unknown>([Flatten, Reshape, Squeeze]);

type Size = readonly [number, number];
const sizeOfMaps = ({ shape }: Value): Size => shape.slice(2) as [number, number];
const isOne = (size: Size | undefined): boolean => sameShape(size ?? [], [1, 1]);

/** The maps that a node takes the means of, each as a whole. */
function averagedBy(node: Node | undefined): Value | undefined {
  const maps = node?.inputs[0];
  if (maps?.shape.length !== 4) return undefined;
  const axes = constantOf(node!.inputs[1])?.toArray() ?? [];
  const isSpatial = sameShape(axes.map((axis) => (axis + 4) % 4).sort(), [2, 3]);
  const op: unknown = node!.op;
  return op === GlobalAveragePool || (op === ReduceMean && isSpatial) ? maps : undefined;
}

/** Whether a value is so many numbers, which are the same for every row. */
const isVector = ({ shape }: Value, length: number): boolean =>
  shape.every((each, axis) => each === (axis === shape.length - 1 ? length : 1));

/** A number for each feature, as one for each map. */
const perMap = (value: Value): Value => reshape(value, [-1, 1, 1]);

export interface FullyConvolutionalOptions {
  /** Height and width of the images to come, open by default: for models with operators that must know them. */
  readonly size?: readonly [number, number];
}

/**
 * The model with its linear layers as convolutions: after maps of C x H x W that are flattened, with kernels of H x W;
 * after the mean of whole maps, or another linear layer, of 1 x 1, the mean then being that of every window of H x W.
 * At the size it was built for it gives the same numbers, [batch, classes, 1, 1]; larger images give a map of them,
 * [batch, classes, height, width], without computing twice what windows share. Parameters keep names and values.
 * J. Long et al., "Fully convolutional networks for semantic segmentation", CVPR 2015.
 *
 * @throws StriateError for a model of open size, or that does not end in linear layers after flattened or averaged maps
 *
 * @example
 * import { fullyConvolutional, lenet5, Model } from "striate";
 *
 * const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * const maps = fullyConvolutional(model);
 * console.assert(maps.graph.inputs[0]!.shape.join() === "batch,1,height,width");
 * console.assert(maps.parameterCount === model.parameterCount);
 */
export function fullyConvolutional(model: Model, { size }: FullyConvolutionalOptions = {}): Model {
  const refused = (found: string, mend?: string): never => {
    throw new StriateError({
      subject: `fullyConvolutional ${model.name}`,
      found,
      expected: "a classifier of images of a fixed size that ends in linear layers after flattened or averaged maps",
      mend,
    });
  };
  const image = model.graph.inputs[0]!;
  const [batch, channels, ...builtFor] = image.shape as readonly [Dimension, Dimension, ...Dimension[]];
  if (builtFor.length !== 2 || builtFor.some((length) => typeof length === "string"))
    refused(
      `an input of ${formatShape(image.shape)}`,
      builtFor.length === 2 ? "Bind its height and width first" : undefined,
    );

  /** The values that were rows of features and are maps now, each with the size of the maps that were flattened. */
  const rows = new Map<Value, Size>();
  let layers = 0;
  const meanOfWindows = (maps: Value, before: Value) => averagePool(maps, { kernel_shape: sizeOfMaps(before) });

  /** The maps that a node makes rows of: as they are, or the means of their windows. */
  function flattened(node: Node, now: Value): Value | undefined {
    const [before, after] = [node.inputs[0]!, node.outputs[0]!];
    if (before.shape.length !== 4 || after.shape.length !== 2 || after.shape[0] !== before.shape[0]) return undefined;
    if (averagedBy(node)) {
      rows.set(after, [1, 1]);
      return meanOfWindows(now, before);
    }
    if (!flattening.has(node.op)) return undefined;
    rows.set(after, sizeOfMaps(before));
    const averaged = averagedBy(producerOf(before));
    return averaged ? meanOfWindows(producerOf(now)!.inputs[0]!, averaged) : now;
  }

  /** What a node that takes rows gives for maps, where that is the same at each place. */
  function onMaps(node: Node, inputs: readonly (Value | undefined)[]): Value | undefined {
    const { attributes, outputs } = node;
    const op: unknown = node.op;
    const [maps, second, bias] = inputs;
    const features = outputs[0]!.shape[1] as number;
    const sizes = node.inputs.map((value) => value && rows.get(value)).filter((each) => each !== undefined);
    const kernel = sizes[0]!;
    if (!sizes.every((each) => sameShape(each, kernel))) return undefined;
    if (op === Gemm || op === MatMul) {
      const isPlain = op === MatMul || (attributes.alpha === 1 && attributes.beta === 1 && attributes.transA === 0);
      if (!isPlain || !rows.has(node.inputs[0]!) || second!.shape.length !== 2) return undefined;
      if (bias && !isVector(bias, features)) return undefined;
      rows.set(outputs[0]!, [1, 1]);
      layers++;
      const weights = attributes.transB === 1 ? second! : transpose(second!);
      const filters = reshape(weights, [features, maps!.shape[1] as number, ...kernel]);
      return conv(maps!, filters, bias && (bias.shape.length === 1 ? bias : reshape(bias, [-1])), {});
    }
    rows.set(outputs[0]!, kernel);
    if (flattening.has(op)) return sameShape(outputs[0]!.shape, node.inputs[0]!.shape) ? maps : undefined;
    if (alike.has(op)) {
      const known = node.inputs.map((value) => !value || rows.has(value) || isVector(value, 1));
      const fits = (value: Value | undefined, at: number) => known[at] || (isOne(kernel) && isVector(value!, features));
      if (!inputs.every(fits)) return undefined;
      return withInputs(
        node,
        inputs.map((value, at) => (known[at] ? value : perMap(value!))),
      )[0];
    }
    if (!isOne(kernel) || attributes.axis === 0 || attributes.axis === -2) return undefined;
    if (op === Softmax) return softmax(maps!, 1);
    if (op === LogSoftmax) return logSoftmax(maps!, 1);
    return op === BatchNormalization ? withInputs(node, inputs)[0] : undefined;
  }

  const open = inputValue(image.source.name, { ...image, shape: [batch, channels, ...(size ?? ["height", "width"])] });
  const { graph } = rewrite(
    model.graph,
    (node, inputs) => {
      const takesRows = node.inputs.some((value) => value && rows.has(value));
      const maps = takesRows ? onMaps(node, inputs) : inputs[0] && flattened(node, inputs[0]);
      if (takesRows && !maps) refused(`${node.op.name} of flattened maps`);
      return maps && [maps];
    },
    new Map<Value, Value>([[image, open]]),
  );
  const [before, scores] = [model.graph, graph].map(({ outputs }) => [...outputs.values()][0]!);
  if (layers === 0 || !isOne(rows.get(before!))) refused("no linear layer that gives its scores");
  if (!size && typeof scores!.shape[2] === "number") refused("maps that are of one size for every image");
  return model.with({ graph });
}
