/** A layer of your own is a function like any other: here one that learns a gain for each channel. */
import {
  add,
  conv2d,
  evaluate,
  fill,
  fit,
  globalAveragePool,
  type Layer,
  linear,
  linesData,
  mul,
  relu,
  sequential,
} from "striate";

const gain = (): Layer => (x, scope) => {
  const channels = x.shape[1] as number;
  return add(
    mul(x, scope.parameter("gain", [channels, 1, 1], fill(1))),
    scope.parameter("offset", [channels, 1, 1], fill(0)),
  );
};

const network = sequential({
  conv: conv2d({ channels: 4, kernel: 7, padding: "same", bias: false }),
  gain: gain(),
  relu: relu(),
  pool: globalAveragePool(),
  fc: linear({ features: 2 }),
});

const train = linesData({ seed: 1, split: "train", count: 256 });
const test = linesData({ seed: 1, split: "test", count: 256 });
const { model } = await fit(network, train, { epochs: 2, batchSize: 32, learningRate: 0.1, seed: 1 }).result;
console.log([...model.variables.keys()].join(", "));
console.assert(model.variables.has("gain.gain"));
console.log(await evaluate(model, test).result);
