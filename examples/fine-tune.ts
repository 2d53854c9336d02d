/** Someone else's network, trained further on folders of pictures, one folder a class. */
import { evaluate, fit, folderDataset, load, randomCrop, randomFlip } from "striate";

const statistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const preprocessing = { channels: 3, height: 32, width: 32, padding: 0, ...statistics } as const;
const network = (await load("data/pretrained.onnx")).with({ preprocessing });
const train = await folderDataset("data/pictures/train", { preprocessing });
const test = await folderDataset("data/pictures/test", { preprocessing });
console.log("before", (await evaluate(network, test).result).top1);
const augment = [randomCrop({ padding: 4 }), randomFlip()];
const options = { epochs: 2, learningRate: 0.01, schedule: "cosine", augment, validation: test, seed: 1 } as const;
const run = fit(network, train, options);
for await (const event of run) if (event.kind === "epoch") console.log(event.epoch, event.validation?.top1);
await (await run.result).model.save("data/tuned.onnx"); // preprocessing and class names go with it
