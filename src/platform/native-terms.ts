/** What a library of the system is asked for, in either runtime. */

/** C's types, as far as they are used here; addresses and handles are numbers. */
export type NativeType = "void" | "int" | "uint" | "float" | "size_t" | "int64_t" | "uintptr_t" | "str";

export interface NativeLibrary {
  readonly name: string;
  /** A function of the library. @throws Error when there is none of this name */
  function(
    symbol: string,
    result: NativeType,
    parameters: readonly NativeType[],
  ): (...given: (number | string)[]) => number;
  has(symbol: string): boolean;
  /** The bytes at an address, as they are in memory. */
  bytesAt(address: number, count: number): ArrayBuffer;
  /** The file that the library was loaded from which has this function, where the system tells. */
  fileOf(symbol: string): string | undefined;
  /** Where a buffer's bytes are. They stay there as long as the buffer is referred to. */
  addressOf(buffer: ArrayBuffer): number;
}

/** A library, or what is missing, and what to do about it where that is known here. */
export type Opened =
  | { readonly library: NativeLibrary; readonly missing?: undefined }
  | { readonly library?: undefined; readonly missing: string; readonly mend?: string };
