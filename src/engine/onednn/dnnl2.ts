/** Version 2 of oneDNN's C interface: descriptors are structures, which it fills in for us. */

import type { NativeType } from "../../platform/native-terms.ts";
import {
  type Binary,
  byResult,
  type Description,
  Dnnl,
  type Elementwise,
  type Form,
  type Handle,
  type PostOp,
  type Primitive,
  type Reduction,
} from "./dnnl.ts";
import type { ConvolutionForms, NormalisationForms, PoolingForms } from "./forms.ts";
import {
  acrossChannels,
  binaryKinds,
  poolingKinds,
  propagation,
  reductionKinds,
  resamplingKinds,
  softmaxKinds,
} from "./kinds.ts";

/** Bytes of its structures. */
const bytes = {
  memory: 696,
  convolution: 5976,
  pooling: 3288,
  normalisation: 3496,
  elementwise: 1416,
  binary: 2096,
  matmul: 2800,
  reduction: 1408,
  softmax: 2800,
  resampling: 2848,
  responseNormalisation: 1432,
  layerNormalisation: 3496,
};

const pointer: NativeType = "uintptr_t";
const pointers = (count: number): NativeType[] => new Array<NativeType>(count).fill(pointer);

export class Dnnl2 extends Dnnl {
  readonly firstPostOp = 16384;
  readonly asksForShift = true;
  protected readonly blocks = { channels: 69, groups: 105 };
  protected readonly matrixUnits = 0x3e7;
  protected readonly normalisationFlags = { scale: 8, shift: 16, relu: 4 };
  protected readonly elementwiseKinds = {
    relu: 0x1f,
    tanh: 0x2f,
    abs: 0x5f,
    sqrt: 0x6f,
    linear: 0x7f,
    logistic: 0xaf,
    exp: 0xbf,
    log: 0xef,
    clip: 0xff,
    pow: 0x20,
    leakyRelu: 0x1f,
    elu: 0x3f,
    softplus: 0x9f,
    swish: 0xdf,
    geluTanh: 0xcf,
    geluErf: 0x30,
    mish: 0x60,
    hardSwish: 0x70,
  };

  describe(form: Form): Description {
    const { buffer, address } = this.buffer(bytes.memory);
    const common = [address, form.shape.length, this.axes(form.shape), this.dtypeOf(form)];
    if (form.strides)
      this.call(
        "dnnl_memory_desc_init_by_strides",
        [pointer, "int", pointer, "int", pointer],
        [...common, this.axes(form.strides)],
      );
    else
      this.call("dnnl_memory_desc_init_by_tag", [pointer, "int", pointer, "int", "int"], [...common, this.tagOf(form)]);
    return { address, buffer };
  }

  #descriptor(operation: number, postOps?: readonly PostOp[], hint = 0): Handle {
    return this.made(
      "dnnl_primitive_desc_create",
      [pointer, pointer, pointer, pointer],
      [operation, this.attributes(postOps), this.engine, hint],
    );
  }

  /** Fills in one of its structures: its address, then what the function takes. */
  #filled(size: number, symbol: string, types: readonly NativeType[], given: readonly number[]): number {
    const { address } = this.buffer(size);
    this.call(symbol, [pointer, ...types], [address, ...given]);
    return address;
  }

  protected convolutionDescriptor(given: ConvolutionForms, postOps?: readonly PostOp[]): Handle {
    const { source, weights, bias, result, training } = given;
    const operation = this.#filled(
      bytes.convolution,
      "dnnl_dilated_convolution_forward_desc_init",
      ["int", "int", ...pointers(8)],
      [
        training ? propagation.training : propagation.inference,
        this.algorithmOf(given),
        ...[source, weights, bias, result].map(this.addressOfForm),
        ...this.slide(given),
      ],
    );
    return this.#descriptor(operation, postOps);
  }

  convolutionInputGradient(given: ConvolutionForms): Primitive {
    const operation = this.#filled(
      bytes.convolution,
      "dnnl_dilated_convolution_backward_data_desc_init",
      ["int", ...pointers(7)],
      [
        this.algorithmOf(given),
        ...[given.source, given.weights, given.result].map(this.addressOfForm),
        ...this.slide(given),
      ],
    );
    return this.primitive(this.#descriptor(operation, [], this.convolutionDescriptor(this.forwardOf(given))));
  }

  convolutionWeightGradient(given: ConvolutionForms): Primitive {
    const operation = this.#filled(
      bytes.convolution,
      "dnnl_dilated_convolution_backward_weights_desc_init",
      ["int", ...pointers(8)],
      [
        this.algorithmOf(given),
        ...[given.source, given.weights, given.bias, given.result].map(this.addressOfForm),
        ...this.slide(given),
      ],
    );
    return this.primitive(this.#descriptor(operation, [], this.convolutionDescriptor(this.forwardOf(given))));
  }

  #pooling(given: PoolingForms): Handle {
    const { algorithm, source, result, training } = given;
    const operation = this.#filled(
      bytes.pooling,
      "dnnl_pooling_v2_forward_desc_init",
      ["int", "int", ...pointers(7)],
      [
        training ? propagation.training : propagation.inference,
        poolingKinds[algorithm],
        ...[source, result].map(this.addressOfForm),
        ...this.window(given),
      ],
    );
    return this.#descriptor(operation);
  }

  pooling(given: PoolingForms): Primitive {
    return this.primitive(this.#pooling(given));
  }

  poolingGradient(given: PoolingForms): Primitive {
    const operation = this.#filled(
      bytes.pooling,
      "dnnl_pooling_v2_backward_desc_init",
      ["int", ...pointers(7)],
      [poolingKinds[given.algorithm], ...[given.source, given.result].map(this.addressOfForm), ...this.window(given)],
    );
    return this.primitive(this.#descriptor(operation, [], this.#pooling({ ...given, training: true })));
  }

  #normalisation(given: NormalisationForms): Handle {
    const { source, epsilon } = given;
    const operation = this.#filled(
      bytes.normalisation,
      "dnnl_batch_normalization_forward_desc_init",
      ["int", pointer, "float", "uint"],
      [
        given.given && !given.forGradient ? propagation.inference : propagation.training,
        this.addressOfForm(source),
        epsilon,
        this.normalisationFlagsOf(given),
      ],
    );
    return this.#descriptor(operation);
  }

  normalisation(given: NormalisationForms): Primitive {
    return this.primitive(this.#normalisation(given));
  }

  normalisationGradient(given: NormalisationForms): Primitive {
    const { source, epsilon } = given;
    const operation = this.#filled(
      bytes.normalisation,
      "dnnl_batch_normalization_backward_desc_init",
      ["int", pointer, pointer, "float", "uint"],
      [
        propagation.backward,
        this.addressOfForm(source),
        this.addressOfForm(source),
        epsilon,
        this.normalisationFlagsOf(given),
      ],
    );
    return this.primitive(this.#descriptor(operation, [], this.#normalisation(given)));
  }

  elementwise(algorithm: Elementwise, form: Form, alpha: number, beta: number, postOps?: readonly PostOp[]): Primitive {
    const operation = this.#filled(
      bytes.elementwise,
      "dnnl_eltwise_forward_desc_init",
      ["int", "int", pointer, "float", "float"],
      [propagation.inference, this.elementwiseKinds[algorithm], this.addressOfForm(form), alpha, beta],
    );
    return this.primitive(this.#descriptor(operation, postOps));
  }

  elementwiseGradient(algorithm: Elementwise, form: Form, alpha: number, beta: number): Primitive {
    const kind = byResult[algorithm] ?? this.elementwiseKinds[algorithm];
    const forward = this.#filled(
      bytes.elementwise,
      "dnnl_eltwise_forward_desc_init",
      ["int", "int", pointer, "float", "float"],
      [propagation.training, kind, this.addressOfForm(form), alpha, beta],
    );
    const operation = this.#filled(
      bytes.elementwise,
      "dnnl_eltwise_backward_desc_init",
      ["int", pointer, pointer, "float", "float"],
      [kind, this.addressOfForm(form), this.addressOfForm(form), alpha, beta],
    );
    return this.primitive(this.#descriptor(operation, [], this.#descriptor(forward)));
  }

  softmax(kind: keyof typeof softmaxKinds, form: Form, axis: number): Primitive {
    const operation = this.#filled(
      bytes.softmax,
      "dnnl_softmax_v2_forward_desc_init",
      ["int", "int", pointer, pointer, "int"],
      [propagation.inference, softmaxKinds[kind], this.addressOfForm(form), this.addressOfForm(form), axis],
    );
    return this.primitive(this.#descriptor(operation));
  }

  resampling(kind: keyof typeof resamplingKinds, source: Form, result: Form): Primitive {
    const operation = this.#filled(
      bytes.resampling,
      "dnnl_resampling_forward_desc_init",
      ["int", "int", pointer, pointer, pointer],
      [propagation.inference, resamplingKinds[kind], 0, this.addressOfForm(source), this.addressOfForm(result)],
    );
    return this.primitive(this.#descriptor(operation));
  }

  resamplingGradient(kind: keyof typeof resamplingKinds, source: Form, result: Form): Primitive {
    const forms = [source, result].map(this.addressOfForm);
    const forward = this.#filled(
      bytes.resampling,
      "dnnl_resampling_forward_desc_init",
      ["int", "int", ...pointers(3)],
      [propagation.training, resamplingKinds[kind], 0, ...forms],
    );
    const operation = this.#filled(
      bytes.resampling,
      "dnnl_resampling_backward_desc_init",
      ["int", ...pointers(3)],
      [resamplingKinds[kind], 0, ...forms],
    );
    return this.primitive(this.#descriptor(operation, [], this.#descriptor(forward)));
  }

  responseNormalisation(form: Form, size: number, alpha: number, beta: number, bias: number): Primitive {
    const operation = this.#filled(
      bytes.responseNormalisation,
      "dnnl_lrn_forward_desc_init",
      ["int", "int", pointer, "int64_t", "float", "float", "float"],
      [propagation.inference, acrossChannels, this.addressOfForm(form), size, alpha, beta, bias],
    );
    return this.primitive(this.#descriptor(operation));
  }

  layerNormalisation(form: Form, statistics: Form, epsilon: number): Primitive {
    const operation = this.#filled(
      bytes.layerNormalisation,
      "dnnl_layer_normalization_forward_desc_init",
      ["int", ...pointers(2), "float", "uint"],
      [propagation.training, ...[form, statistics].map(this.addressOfForm), epsilon, this.scaleAndShift],
    );
    return this.primitive(this.#descriptor(operation));
  }

  binary(algorithm: Binary, first: Form, second: Form, result: Form, postOps?: readonly PostOp[]): Primitive {
    const operation = this.#filled(
      bytes.binary,
      "dnnl_binary_desc_init",
      ["int", ...pointers(3)],
      [binaryKinds[algorithm], ...[first, second, result].map(this.addressOfForm)],
    );
    return this.quick(this.#descriptor(operation, postOps));
  }

  product(first: Form, second: Form, bias: Form | undefined, result: Form, postOps?: readonly PostOp[]): Primitive {
    const operation = this.#filled(
      bytes.matmul,
      "dnnl_matmul_desc_init",
      pointers(4),
      [first, second, bias, result].map(this.addressOfForm),
    );
    return this.primitive(this.#descriptor(operation, postOps));
  }

  reduction(algorithm: Reduction, source: Form, result: Form): Primitive {
    const operation = this.#filled(
      bytes.reduction,
      "dnnl_reduction_desc_init",
      ["int", pointer, pointer, "float", "float"],
      [reductionKinds[algorithm], this.addressOfForm(source), this.addressOfForm(result), 0, 0],
    );
    return this.quick(this.#descriptor(operation));
  }

  reorder(from: Description, to: Description): Primitive {
    return this.primitive(
      this.made("dnnl_reorder_primitive_desc_create", pointers(5), [
        from.address,
        this.engine,
        to.address,
        this.engine,
        this.attributes(),
      ]),
    );
  }

  protected appendElementwise(list: Handle, algorithm: Elementwise, alpha: number, beta: number): void {
    this.call(
      "dnnl_post_ops_append_eltwise",
      [pointer, "float", "int", "float", "float"],
      [list, 1, this.elementwiseKinds[algorithm], alpha, beta],
    );
  }

  protected appendDepthwise(list: Handle, given: readonly number[]): void {
    const types: NativeType[] = [
      pointer,
      "int",
      "int",
      "int",
      "int64_t",
      "int64_t",
      "int64_t",
      "int64_t",
      "int",
      pointer,
    ];
    this.call("dnnl_post_ops_append_dw", types, [list, ...given, 0, 0, 0]);
  }
}
