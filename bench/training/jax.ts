/** jax-js on WebAssembly, the fastest that it has in Node: the whole step is one function, compiled. */
import { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, valueAndGrad } from "@jax-js/jax";
import { timed } from "../measure.ts";
import { batch, classes, images, labels, learningRate, momentum, weights } from "../network.ts";
import type { Trainer } from "./trainer.ts";

export const jaxNote =
  "jax-js: WebAssembly, the step under jit, one thread: its threads need the browser's Worker, which Node has not.";

type Weights = np.Array[];

/** An argument is used up by what it is passed to, unless passed as `.ref`. */
function lossOf(parameters: Weights, x: np.Array, target: np.Array): np.Array {
  const [c1, b1, c3, b3, c5, b5, f6, b6, out, bOut] = parameters as [np.Array, ...np.Array[]];
  const block = (value: np.Array, weight: np.Array, bias: np.Array): np.Array =>
    np.tanh(lax.conv(value, weight, [1, 1], "VALID").add(bias.reshape([1, bias.shape[0]!, 1, 1])));
  const pool = (value: np.Array): np.Array => {
    const [count, channels, height, width] = value.shape as [number, number, number, number];
    return np.mean(value.reshape([count, channels, height / 2, 2, width / 2, 2]), [3, 5]);
  };
  const maps = block(pool(block(pool(block(x, c1, b1!)), c3!, b3!)), c5!, b5!);
  const hidden = np.tanh(np.matmul(maps.reshape([batch, 120]), np.transpose(f6!)).add(b6!));
  const logits = np.matmul(hidden, np.transpose(out!)).add(bOut!);
  return np.mean(np.sum(nn.logSoftmax(logits).mul(target), 1)).neg();
}

function update(parameters: Weights, velocities: Weights, x: np.Array, target: np.Array): [np.Array, Weights, Weights] {
  const [loss, gradients] = valueAndGrad(lossOf)(
    parameters.map((each) => each.ref),
    x,
    target,
  ) as [np.Array, Weights];
  const moved = velocities.map((velocity, index) => velocity.mul(momentum).add(gradients[index]!));
  const next = parameters.map((parameter, index) => parameter.sub(moved[index]!.ref.mul(learningRate)));
  return [loss, next, moved];
}

export async function jax(): Promise<Trainer> {
  await init("wasm");
  defaultDevice("wasm");
  const array = (data: Float32Array, shape: readonly number[]): np.Array =>
    np.array(data as Float32Array<ArrayBuffer>).reshape([...shape]);
  let parameters = weights.map(([, { data, shape }]) => array(data as Float32Array, shape));
  let velocities = weights.map(([, { shape }]) => np.zeros([...shape]));
  const x = array(images.data as Float32Array, images.shape);
  const chosen = new Float32Array(batch * classes);
  for (const [row, label] of labels.toArray().entries()) chosen[row * classes + label] = 1;
  const target = array(chosen, [batch, classes]);
  const compiled = jit(update);
  let loss = Number.NaN;
  return {
    name: "jax-js, wasm",
    run: (steps) =>
      timed(steps, async () => {
        const [value, next, moved] = compiled(parameters, velocities, x.ref, target.ref) as unknown as [
          np.Array,
          Weights,
          Weights,
        ];
        [parameters, velocities] = [next, moved];
        await blockUntilReady([next, moved]);
        loss = (await value.data())[0]!;
      }),
    loss: () => loss,
    close: async () => {},
  };
}
