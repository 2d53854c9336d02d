import { imageWriter, inputShape, type Preprocessing } from "../models/preprocessing.ts";
import { readFile } from "../platform/files.ts";
import { decodeImage, type Picture, resizeImage } from "../platform/image.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A picture made ready for a network. */
export interface PreparedPicture {
  /** float32: [1, channels, height, width], the padding included. */
  readonly tensor: Tensor;
  /** Whether dark and light were swapped, since the network knows light objects on dark only: tell the user. */
  readonly inverted: boolean;
}

/**
 * Any picture file as a network's input: made grey or coloured as the preprocessing says, scaled to fit its size with
 * its proportions kept, centred on black, padded and normalised. Where the network knows light objects on dark only
 * (`background: "dark"`) and the picture's border is mostly light, it is inverted first. A picture that has the size
 * already is not resampled: its pixels give exactly what the same pixels in a dataset give.
 *
 * @param source a path (in a browser a URL), or the bytes of a PNG, JPEG or WebP file
 * @throws StriateError naming the file when it is missing, a folder, of another format or damaged.
 */
export async function pictureTensor(
  source: string | Uint8Array,
  preprocessing: Preprocessing,
): Promise<PreparedPicture> {
  const isPath = typeof source === "string";
  const picture = await decodeImage(isPath ? await readFile(source) : source, isPath ? source : "picture");
  return prepare(picture, preprocessing);
}

/** As `pictureTensor`, for a picture that is decoded already. */
export async function prepare(picture: Picture, preprocessing: Preprocessing): Promise<PreparedPicture> {
  const inverted = preprocessing.background === "dark" && borderMean(picture) > 0.5;
  const fitted = await fitPicture(inverted ? invert(picture) : picture, preprocessing);
  const shape = inputShape(preprocessing);
  const data = new Float32Array(shape[0] * shape[1] * shape[2]);
  imageWriter(preprocessing, "bytes")(planes(fitted), 0, data, 0);
  return { tensor: new Tensor("float32", [1, ...shape], data), inverted };
}

/** A picture with the channels, height and width asked for: scaled to fit inside and centred on black. */
export async function fitPicture(
  picture: Picture,
  target: Pick<Preprocessing, "channels" | "height" | "width">,
): Promise<Picture> {
  const scaled = await resizeImage(withChannels(picture, target.channels), { ...target, fit: "inside" });
  if (scaled.width === target.width && scaled.height === target.height) return scaled;
  const { channels, height, width } = target;
  const data = new Uint8Array(height * width * channels);
  const [top, left] = [Math.floor((height - scaled.height) / 2), Math.floor((width - scaled.width) / 2)];
  const rowLength = scaled.width * channels;
  for (let row = 0; row < scaled.height; row++)
    data.set(scaled.data.subarray(row * rowLength, (row + 1) * rowLength), ((top + row) * width + left) * channels);
  return { width, height, channels, data };
}

/** Grey from colour is Rec. 601's luma, 0.299 red + 0.587 green + 0.114 blue, rounded; colour from grey repeats it. */
export function withChannels(picture: Picture, channels: 1 | 3): Picture {
  if (picture.channels === channels) return picture;
  const { width, height, data: from } = picture;
  const data = new Uint8Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    if (channels === 3) data.fill(from[pixel]!, pixel * 3, pixel * 3 + 3);
    else {
      const [red, green, blue] = [from[pixel * 3]!, from[pixel * 3 + 1]!, from[pixel * 3 + 2]!];
      data[pixel] = Math.round((299 * red + 587 * green + 114 * blue) / 1000);
    }
  }
  return { width, height, channels, data };
}

/** A picture's bytes channel by channel, [channels, height, width], as datasets hold them. */
export function planes({ width, height, channels, data: interleaved }: Picture): Uint8Array<ArrayBuffer> {
  const area = width * height;
  const data = new Uint8Array(area * channels);
  for (let channel = 0; channel < channels; channel++)
    for (let pixel = 0; pixel < area; pixel++) data[channel * area + pixel] = interleaved[pixel * channels + channel]!;
  return data;
}

const invert = (picture: Picture): Picture => ({ ...picture, data: picture.data.map((byte) => 255 - byte) });

/** The mean luma of the outermost pixels, 0 to 1. */
function borderMean(picture: Picture): number {
  const { width, height, data } = withChannels(picture, 1);
  let [sum, count] = [0, 0];
  for (let row = 0; row < height; row++) {
    const step = row === 0 || row === height - 1 || width === 1 ? 1 : width - 1;
    for (let column = 0; column < width; column += step) {
      sum += data[row * width + column]!;
      count++;
    }
  }
  return sum / count / 255;
}
