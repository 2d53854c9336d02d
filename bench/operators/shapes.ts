/** The distinct shapes of ResNet-50 (K. He et al., 2015) and MobileNet v2 (M. Sandler et al., 2018), images of 224x224. */

/** A convolution of square maps and kernels, padded so that only the stride makes maps smaller. */
export interface ConvShape {
  readonly network: string;
  readonly channels: number;
  readonly filters: number;
  readonly kernel: number;
  readonly stride: number;
  readonly size: number;
  readonly group: number;
}

/** Maps [channels, size, size] that are normalised. */
export interface MapShape {
  readonly network: string;
  readonly channels: number;
  readonly size: number;
}

/** Channels within a block's bottleneck, blocks, stride of the first: the stages of ResNet-50. */
const resnetStages = [
  [64, 3, 1],
  [128, 4, 2],
  [256, 6, 2],
  [512, 3, 2],
] as const;

/** Expansion, filters, blocks, stride of the first: the stages of MobileNet v2. */
const mobilenetStages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

type Put = (channels: number, filters: number, kernel: number, stride: number, size: number, group?: number) => void;

function resnet(put: Put): void {
  put(3, 64, 7, 2, 224);
  let [channels, size] = [64, 56];
  for (const [width, blocks, first] of resnetStages)
    for (let block = 0; block < blocks; block++) {
      const stride = block === 0 ? first : 1;
      put(channels, width, 1, 1, size);
      put(width, width, 3, stride, size);
      put(width, 4 * width, 1, 1, size / stride);
      if (block === 0) put(channels, 4 * width, 1, stride, size);
      [channels, size] = [4 * width, size / stride];
    }
}

function mobilenet(put: Put): void {
  put(3, 32, 3, 2, 224);
  let [channels, size] = [32, 112];
  for (const [expansion, filters, blocks, first] of mobilenetStages)
    for (let block = 0; block < blocks; block++) {
      const [stride, wide] = [block === 0 ? first : 1, channels * expansion];
      if (expansion > 1) put(channels, wide, 1, 1, size);
      put(wide, wide, 3, stride, size, wide);
      put(wide, filters, 1, 1, size / stride);
      [channels, size] = [filters, size / stride];
    }
  put(channels, 1280, 1, 1, size);
}

function distinct<Shape extends object>(shapes: readonly Shape[], keyOf: (shape: Shape) => string): Shape[] {
  return [...new Map(shapes.toReversed().map((shape) => [keyOf(shape), shape])).values()].reverse();
}

const all: ConvShape[] = [];
for (const [network, walk] of [["ResNet-50", resnet] as const, ["MobileNet v2", mobilenet] as const])
  walk((channels, filters, kernel, stride, size, group = 1) =>
    all.push({ network, channels, filters, kernel, stride, size, group }),
  );

export const convShapes: readonly ConvShape[] = distinct(all, (shape) =>
  Object.values({ ...shape, network: "" }).join(),
);

/** Batch normalisation follows every convolution. */
export const mapShapes: readonly MapShape[] = distinct(
  all.map(({ network, filters, stride, size }) => ({ network, channels: filters, size: size / stride })),
  ({ channels, size }) => `${channels}x${size}`,
);

export const maxPoolShapes: readonly MapShape[] = [{ network: "ResNet-50", channels: 64, size: 112 }];

/** Those of the global average before the classes. */
export const averagePoolShapes: readonly MapShape[] = [
  { network: "ResNet-50", channels: 2048, size: 7 },
  { network: "MobileNet v2", channels: 1280, size: 7 },
];
