/** Feeds cross to the engine's thread in buffers that come back with the answer: one copy each, and no new memory. */
import type { Tensor } from "../tensor/tensor.ts";
import type { PlainTensor } from "./protocol.ts";

/** Bytes below which the copy that a message makes by itself is the cheaper one. */
const small = 4096;

/** How many buffers wait for their next use at most. */
const most = 8;

export class Ferry {
  readonly #waiting: ArrayBuffer[] = [];

  /** The tensor as it crosses; a buffer that moves is added to `lent`. The tensor itself stays as it is. */
  load({ dtype, shape, data }: Tensor, lent: ArrayBuffer[]): PlainTensor {
    if (data.byteLength < small) return { dtype, shape, data };
    const buffer = this.#take(data.byteLength);
    lent.push(buffer);
    new Uint8Array(buffer).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const array = data.constructor as new (buffer: ArrayBuffer) => PlainTensor["data"];
    return { dtype, shape, data: new array(buffer) };
  }

  /** Keeps buffers that came back. */
  unload(buffers: readonly ArrayBuffer[]): void {
    this.#waiting.push(...buffers);
    this.#waiting.splice(0, Math.max(0, this.#waiting.length - most));
  }

  #take(bytes: number): ArrayBuffer {
    const index = this.#waiting.findIndex((buffer) => buffer.byteLength === bytes);
    return index < 0 ? new ArrayBuffer(bytes) : this.#waiting.splice(index, 1)[0]!;
  }
}
