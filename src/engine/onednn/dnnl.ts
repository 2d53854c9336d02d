/**
 * What Striate asks of oneDNN, whichever version of its C interface is there. Handles and addresses are numbers; whatever
 * is made here lives as long as the thread, unless it is `owned`. https://oneapi-src.github.io/oneDNN/
 */
import { StriateError } from "../../errors.ts";
import type { NativeLibrary, NativeType } from "../../platform/native-terms.ts";
import type { ConvolutionForms, NormalisationForms, PoolingForms, Slide } from "./forms.ts";
import {
  binaryKinds,
  type poolingKinds,
  type reductionKinds,
  type resamplingKinds,
  type softmaxKinds,
} from "./kinds.ts";
import { Made } from "./made.ts";

export type Handle = number;

/** How a tensor lies in memory. Without strides, the library may choose. */
export interface Form {
  readonly shape: readonly number[];
  /** Elements from one neighbour to the next along each axis. */
  readonly strides?: readonly number[] | undefined;
  /** Channels, or groups of weights, in blocks of 16, each a map of its own with the 16 innermost: no strides can say that. */
  readonly inBlocks?: "channels" | "groups" | undefined;
  readonly dtype?: "float32" | "bfloat16" | undefined;
}

/** A memory's form as the library keeps it. */
export interface Description {
  readonly address: number;
  /** Keeps the bytes alive, where they are ours. */
  readonly buffer?: ArrayBuffer;
}

type Arithmetic = "abs" | "sqrt" | "linear" | "exp" | "log" | "clip" | "pow";
type Rectifier = "relu" | "leakyRelu" | "elu" | "softplus" | "swish" | "geluTanh" | "geluErf" | "mish" | "hardSwish";
export type Elementwise = Arithmetic | Rectifier | "tanh" | "logistic";
/** Elementwise functions whose gradient is computed from their result, not from their operand. */
export const byResult: { readonly [name in Elementwise]?: number } = { relu: 0x100, tanh: 0x101, logistic: 0x104 };
export type Binary = keyof typeof binaryKinds;
export type Pooling = keyof typeof poolingKinds;
export type Reduction = keyof typeof reductionKinds;

/** What is done to each element of a result before it is written. */
export type PostOp =
  | { readonly kind: "elementwise"; readonly algorithm: Elementwise; readonly alpha?: number; readonly beta?: number }
  | { readonly kind: "binary"; readonly algorithm: Binary; readonly form: Form }
  | { readonly kind: "depthwise"; readonly stride: number; readonly isBiased: boolean };

/** The library's numbers for arguments of a primitive. */
export const argument = {
  source: 1,
  second: 2,
  result: 17,
  weights: 33,
  bias: 41,
  mean: 49,
  variance: 50,
  scale: 51,
  shift: 52,
  workspace: 64,
  scratchpad: 80,
  sourceGradient: 129,
  resultGradient: 145,
  weightsGradient: 161,
  biasGradient: 169,
  scaleGradient: 255,
  shiftGradient: 256,
  parts: 1024,
} as const;

const query = { name: 8, form: 255, workspace: 135, scratchpad: 136 } as const;
const dtypes = { float32: 3, bfloat16: 2 } as const;
const statuses = ["success", "out of memory", "invalid arguments", "unimplemented", "no more implementations"];
const userScratchpad = 1;
/** The number of AVX-512 with all that the library asks of it. */
const longVectors = 0x27;
const mostAxes = 12;
export const anyOrder = 1;
/** How a convolution is computed. */
const algorithms = { direct: 1, winograd: 2 } as const;

/** A primitive, and what it wants to know of its memories. */
export interface Primitive {
  readonly handle: Handle;
  /** The form in which it takes an argument (the numbers are those of `argument`). */
  form(argument: number): Description;
  /** Bytes that it writes for its gradient to read, and bytes that it needs while it runs. */
  readonly workspace: Description | undefined;
  readonly scratchpad: Description | undefined;
  /** Whether the library has no more for it than its reference, which is a hundred times as slow as a loop of ours. */
  readonly isReference: boolean;
}

/** A list of axis lengths as the library takes it. */
export type Axes = number;

/** Each version's way to a primitive's descriptor. What it cannot do throws `Unimplemented`. */
export class Unimplemented extends Error {}

export abstract class Dnnl {
  readonly name: string;
  protected readonly library: NativeLibrary;
  protected readonly engine: Handle;
  readonly #stream: Handle;
  /** What is made now belongs to it. */
  #made = new Made();
  readonly #cell: BigUint64Array;
  readonly #cellAddress: number;
  /** The post-operations' first argument number, which versions number differently. */
  abstract readonly firstPostOp: number;
  /** Whether batch normalisation's gradient asks for the shift, which it does not need. */
  abstract readonly asksForShift: boolean;
  /** The tags of maps with channels in blocks of 16 (aBcd16b), and of weights with groups in such (Abcde16a). */
  protected abstract readonly blocks: { readonly channels: number; readonly groups: number };
  /** The number of the instruction set that has matrix units for bfloat16. */
  protected abstract readonly matrixUnits: number;
  protected abstract readonly elementwiseKinds: Readonly<Record<Elementwise, number>>;
  protected abstract readonly normalisationFlags: Readonly<Record<"scale" | "shift" | "relu", number>>;

  constructor(library: NativeLibrary) {
    this.library = library;
    this.name = library.name;
    const cell = new ArrayBuffer(8);
    this.#cell = new BigUint64Array(cell);
    this.#cellAddress = library.addressOf(cell);
    this.engine = this.made("dnnl_engine_create", ["int", "size_t"], [1, 0]);
    this.#stream = this.made("dnnl_stream_create", ["uintptr_t", "uint"], [this.engine, 1]);
  }

  /** Calls a function of the library that gives a status. */
  protected call(symbol: string, types: readonly NativeType[], given: readonly (number | string)[]): void {
    const status = this.library.function(symbol, "int", types)(...given);
    if (status === 0) return;
    if (status === 3 || (status === 2 && symbol.startsWith("dnnl_memory_desc"))) throw new Unimplemented(symbol);
    throw new StriateError({ subject: "oneDNN", found: `${symbol}: ${statuses[status] ?? `status ${status}`}` });
  }

  /** Calls a function whose first argument is where to put what it makes. */
  protected made(symbol: string, types: readonly NativeType[], given: readonly number[]): Handle {
    this.call(symbol, ["uintptr_t", ...types], [this.#cellAddress, ...given]);
    const handle = Number(this.#cell[0]);
    this.#made.own(symbol, handle);
    return handle;
  }

  /** What `make` gives, and how to free whatever it made here. */
  owned<T>(make: () => T): { readonly value: T; readonly free: () => void } {
    const [before, made] = [this.#made, new Made()];
    const free = () => made.free(this.library);
    this.#made = made;
    try {
      return { value: make(), free };
    } catch (error) {
      free();
      throw error;
    } finally {
      this.#made = before;
    }
  }

  protected buffer(bytes: number): { buffer: ArrayBuffer; address: number } {
    const buffer = new ArrayBuffer(bytes);
    this.#made.hold(buffer);
    return { buffer, address: this.library.addressOf(buffer) };
  }

  protected axes(values: readonly number[]): Axes {
    if (values.length > mostAxes) throw new Unimplemented(`${values.length} axes`);
    const { buffer, address } = this.buffer(8 * mostAxes);
    new BigInt64Array(buffer).set(values.map(BigInt));
    return address;
  }

  protected algorithmOf = ({ winograd }: ConvolutionForms): number => algorithms[winograd ? "winograd" : "direct"];

  /** The library's tag of a form without strides. */
  protected tagOf = ({ inBlocks }: Form): number => (inBlocks ? this.blocks[inBlocks] : anyOrder);

  protected dtypeOf = ({ dtype = "float32" }: Form): number => dtypes[dtype];

  protected floats(values: readonly number[]): number {
    const { buffer, address } = this.buffer(4 * values.length);
    new Float32Array(buffer).set(values);
    return address;
  }

  protected addressOfForm = (form: Form | undefined): number => (form ? this.describe(form).address : 0);

  /** Strides, dilations (counted from 0) and padding, as both versions take them. */
  protected slide = ({ strides, dilations, before, after }: Slide): number[] => [
    this.axes(strides),
    this.axes(dilations.map((dilation) => dilation - 1)),
    this.axes(before),
    this.axes(after),
  ];

  /** The same, with the kernel's lengths after the strides. */
  protected window(given: PoolingForms): number[] {
    const [strides, ...rest] = this.slide(given);
    return [strides!, this.axes(given.kernel), ...rest];
  }

  /** The forward convolution of a gradient, all of one type whichever type the gradient comes out in. */
  protected forwardOf(given: ConvolutionForms): ConvolutionForms {
    const { dtype } = given.result;
    return { ...given, source: { ...given.source, dtype }, weights: { ...given.weights, dtype }, training: true };
  }

  abstract describe(form: Form): Description;
  protected abstract convolutionDescriptor(given: ConvolutionForms, postOps?: readonly PostOp[]): Handle;
  /** With a depthwise one in its pass only where that is so: the library's reference computes one after the other. */
  convolution(given: ConvolutionForms, postOps: readonly PostOp[] = []): Primitive {
    const descriptor = this.convolutionDescriptor(given, postOps);
    return postOps.some(({ kind }) => kind === "depthwise") ? this.quick(descriptor) : this.primitive(descriptor);
  }

  abstract convolutionInputGradient(given: ConvolutionForms): Primitive;
  abstract convolutionWeightGradient(given: ConvolutionForms): Primitive;
  abstract pooling(given: PoolingForms): Primitive;
  abstract poolingGradient(given: PoolingForms): Primitive;
  abstract normalisation(given: NormalisationForms): Primitive;
  abstract normalisationGradient(given: NormalisationForms): Primitive;
  abstract elementwise(
    algorithm: Elementwise,
    form: Form,
    alpha: number,
    beta: number,
    postOps?: readonly PostOp[],
  ): Primitive;
  abstract elementwiseGradient(algorithm: Elementwise, form: Form, alpha: number, beta: number): Primitive;
  abstract softmax(kind: keyof typeof softmaxKinds, form: Form, axis: number): Primitive;
  abstract resampling(kind: keyof typeof resamplingKinds, source: Form, result: Form): Primitive;
  /** From the gradient of the result to that of the source: the forms are still those of the resampling. */
  abstract resamplingGradient(kind: keyof typeof resamplingKinds, source: Form, result: Form): Primitive;
  /** Each element by its neighbours among the channels. */
  abstract responseNormalisation(form: Form, size: number, alpha: number, beta: number, bias: number): Primitive;
  /** Over the last axis, scaled and shifted. */
  abstract layerNormalisation(form: Form, statistics: Form, epsilon: number): Primitive;
  abstract binary(algorithm: Binary, first: Form, second: Form, result: Form, postOps?: readonly PostOp[]): Primitive;
  abstract product(
    first: Form,
    second: Form,
    bias: Form | undefined,
    result: Form,
    postOps?: readonly PostOp[],
  ): Primitive;
  abstract reduction(algorithm: Reduction, source: Form, result: Form): Primitive;
  abstract reorder(from: Description, to: Description): Primitive;

  protected get scaleAndShift(): number {
    return this.normalisationFlags.scale + this.normalisationFlags.shift;
  }

  protected normalisationFlagsOf({ relu, given, scaled = true }: NormalisationForms): number {
    return (scaled ? this.scaleAndShift : 0) + (relu ? this.normalisationFlags.relu : 0) + (given ? 1 : 0);
  }

  /** Attributes: the scratchpad is the caller's, and results go through the post-operations. */
  protected attributes(postOps: readonly PostOp[] = []): Handle {
    const attributes = this.made("dnnl_primitive_attr_create", [], []);
    this.call("dnnl_primitive_attr_set_scratchpad_mode", ["uintptr_t", "int"], [attributes, userScratchpad]);
    if (postOps.length === 0) return attributes;
    const list = this.made("dnnl_post_ops_create", [], []);
    for (const each of postOps)
      if (each.kind === "elementwise") this.appendElementwise(list, each.algorithm, each.alpha ?? 0, each.beta ?? 0);
      else if (each.kind === "depthwise")
        this.appendDepthwise(list, [
          dtypes.float32,
          each.isBiased ? dtypes.float32 : 0,
          dtypes.float32,
          3,
          each.stride,
          1,
        ]);
      else
        this.call(
          "dnnl_post_ops_append_binary",
          ["uintptr_t", "int", "uintptr_t"],
          [list, binaryKinds[each.algorithm], this.describe(each.form).address],
        );
    this.call("dnnl_primitive_attr_set_post_ops", ["uintptr_t", "uintptr_t"], [attributes, list]);
    return attributes;
  }

  protected abstract appendElementwise(list: Handle, algorithm: Elementwise, alpha: number, beta: number): void;
  /** @param given the types of weights, bias and result, the length of the kernel, stride and padding */
  protected abstract appendDepthwise(list: Handle, given: readonly number[]): void;

  /** A primitive that the library has more for than its reference. */
  protected quick(descriptor: Handle): Primitive {
    if (this.#isReference(descriptor)) throw new Unimplemented("but by its reference");
    return this.primitive(descriptor);
  }

  #isReference(descriptor: Handle): boolean {
    const types: NativeType[] = ["uintptr_t", "int", "int", "uintptr_t"];
    this.call("dnnl_primitive_desc_query", types, [descriptor, query.name, 0, this.#cellAddress]);
    return String.fromCharCode(...new Uint8Array(this.library.bytesAt(Number(this.#cell[0]), 3))) === "ref";
  }

  /** A primitive of a descriptor. */
  protected primitive(descriptor: Handle): Primitive {
    const handle = this.made("dnnl_primitive_create", ["uintptr_t"], [descriptor]);
    const ask = this.library.function("dnnl_primitive_desc_query_md", "uintptr_t", ["uintptr_t", "int", "int"]);
    const about = (what: number, index = 0): Description => ({ address: ask(descriptor, what, index) });
    const present = (what: number) => {
      const description = about(what);
      return description.address !== 0 && this.bytesOf(description) > 0 ? description : undefined;
    };
    return {
      handle,
      form: (index) => about(query.form, index),
      workspace: present(query.workspace),
      scratchpad: present(query.scratchpad),
      isReference: this.#isReference(descriptor),
    };
  }

  /** Whether the library computes bfloat16 with the processor's matrix units (AMX). */
  hasMatrixUnits(): boolean {
    return this.#uses(this.matrixUnits);
  }

  /** Whether it computes with vectors of 16 numbers (AVX-512): where it does not, blocks of 16 channels are far slower. */
  hasLongVectors(): boolean {
    return this.#uses(longVectors);
  }

  /** Whether the library computes with an instruction set, heeding what limits it. */
  #uses(instructions: number): boolean {
    const effective = this.library.function("dnnl_get_effective_cpu_isa", "int", [])();
    return (effective & instructions) === instructions;
  }

  bytesOf({ address }: Description): number {
    return this.library.function("dnnl_memory_desc_get_size", "size_t", ["uintptr_t"])(address);
  }

  isSame(one: Description, other: Description): boolean {
    return (
      this.library.function("dnnl_memory_desc_equal", "int", ["uintptr_t", "uintptr_t"])(one.address, other.address) !==
      0
    );
  }

  addressOf(buffer: ArrayBuffer): number {
    return this.library.addressOf(buffer);
  }

  /** A memory of this form at an address. */
  memory({ address }: Description, at: number): Handle {
    return this.made("dnnl_memory_create", ["uintptr_t", "uintptr_t", "uintptr_t"], [address, this.engine, at]);
  }

  place(memory: Handle, at: number): void {
    this.call("dnnl_memory_set_data_handle", ["uintptr_t", "uintptr_t"], [memory, at]);
  }

  /** A primitive with its memories, ready to run; the arguments' numbers are those of `argument`. */
  bound(name: string, primitive: Primitive, memories: ReadonlyMap<number, Handle>): () => void {
    const { buffer, address } = this.buffer(16 * memories.size);
    const view = new DataView(buffer);
    [...memories].forEach(([index, memory], place) => {
      view.setInt32(16 * place, index, true);
      view.setBigUint64(16 * place + 8, BigInt(memory), true);
    });
    const execute = this.library.function("dnnl_primitive_execute", "int", [
      "uintptr_t",
      "uintptr_t",
      "int",
      "uintptr_t",
    ]);
    const [stream, count, { handle }] = [this.#stream, memories.size, primitive];
    return () => {
      const status = execute(handle, stream, count, address);
      if (status !== 0)
        throw new StriateError({ subject: "oneDNN", found: `${statuses[status] ?? `status ${status}`} at ${name}` });
    };
  }
}
