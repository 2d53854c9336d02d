/**
 * `node scripts/score-bare.mjs MODEL.onnx DIR MEAN STD`: top-1 accuracy of a classifier in bare onnxruntime-node, without Striate,
 * on folders of pictures that have its input's size, one folder a class: what `striate eval` is held against.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";

const [model, folder, ...statistics] = process.argv.slice(2);
if (statistics.length !== 2)
  throw new Error("usage: node scripts/score-bare.mjs MODEL.onnx DIR MEAN,MEAN,MEAN STD,STD,STD");
const [mean, std] = statistics.map((text) => text.split(",").map(Number));
const together = 250;

const session = await InferenceSession.create(model);
const files = readdirSync(folder)
  .sort()
  .flatMap((name, label) => readdirSync(join(folder, name)).map((file) => ({ path: join(folder, name, file), label })));
let correct = 0;
for (let start = 0; start < files.length; start += together) {
  const chunk = files.slice(start, start + together);
  const pictures = await Promise.all(
    chunk.map(({ path }) => sharp(path).toColourspace("srgb").raw().toBuffer({ resolveWithObject: true })),
  );
  const { width, height } = pictures[0].info;
  const area = width * height;
  const input = new Float32Array(chunk.length * 3 * area);
  for (const [index, { data }] of pictures.entries())
    for (let channel = 0; channel < 3; channel++)
      for (let pixel = 0; pixel < area; pixel++)
        input[(index * 3 + channel) * area + pixel] = (data[pixel * 3 + channel] / 255 - mean[channel]) / std[channel];
  const feeds = { [session.inputNames[0]]: new Tensor("float32", input, [chunk.length, 3, height, width]) };
  const logits = (await session.run(feeds))[session.outputNames[0]];
  const classes = logits.dims[1];
  for (const [index, { label }] of chunk.entries()) {
    const row = logits.data.slice(index * classes, (index + 1) * classes);
    if (row.indexOf(Math.max(...row)) === label) correct++;
  }
}
console.log(JSON.stringify({ count: files.length, correct, top1: correct / files.length }));
