/** What the library made for one program, so that it can be freed together. */
import type { NativeLibrary } from "../../platform/native-terms.ts";

/** The function that destroys what another one made. */
const destroyerOf = (maker: string): string =>
  maker.includes("primitive_desc") ? "dnnl_primitive_desc_destroy" : maker.replace(/_create.*/, "_destroy");

export class Made {
  /** Bytes that the library reads. */
  readonly #buffers: ArrayBuffer[] = [];
  readonly #handles: (readonly [destroyer: string, handle: number])[] = [];

  hold(buffer: ArrayBuffer): void {
    this.#buffers.push(buffer);
  }

  /** @param maker the function of the library that made it */
  own(maker: string, handle: number): void {
    this.#handles.push([destroyerOf(maker), handle]);
  }

  /** Frees it all, the last first: nothing of it may be used afterwards. */
  free(library: NativeLibrary): void {
    for (const [destroyer, handle] of this.#handles.splice(0).reverse())
      library.function(destroyer, "int", ["uintptr_t"])(handle);
    this.#buffers.length = 0;
  }
}
