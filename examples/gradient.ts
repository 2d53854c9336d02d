/** A graph's derivative is a graph: here the gradient of a class score for the pixels of an image. */
import { gradient, lenet5, Model, makeGraph, ort, Random, reduceSum, tensor } from "striate";

const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32], seed: 1 });
const logits = model.graph.outputs.get("logits");
if (!logits) throw new Error("a model has logits");

const scored = makeGraph(model.graph.inputs, { score: reduceSum(logits) });
const saliency = gradient(scored, "score", ["image"]);
const program = await ort.compile(saliency, model.variables, { dimensions: { batch: 1 } });

const random = new Random(1, "image");
const image = tensor(
  Array.from({ length: 1024 }, () => random.normal()),
  [1, 1, 32, 32],
);
const outputs = await program.run({ image });
const heat = outputs.get("gradient.image");
console.log(heat?.shape.join("x"));
console.assert(heat?.size === 1024 && heat.toArray().some((value) => value !== 0));
await program.dispose();
