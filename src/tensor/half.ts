/** Numbers of 16 bits, which are read as float32: it holds all of them. */

/** The number that 16 bits say: 1 bit sign, 5 bits exponent, 10 bits fraction (IEEE 754 binary16). */
export function fromFloat16(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The number whose upper 16 bits as a float32 these are. */
export const fromBfloat16 = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;

/** Numbers of 16 bits each, one after the other; `bytes` are an even number. */
export function fromHalfBytes(
  bytes: Uint8Array,
  fromBits: (bits: number) => number,
  littleEndian = true,
): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Float32Array(bytes.byteLength / 2);
  for (let index = 0; index < data.length; index++) data[index] = fromBits(view.getUint16(2 * index, littleEndian));
  return data;
}
