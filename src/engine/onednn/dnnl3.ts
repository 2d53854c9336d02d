/** Version 3 of oneDNN's C interface: a function for each kind of primitive makes its descriptor. */
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

const pointer: NativeType = "uintptr_t";
const pointers = (count: number): NativeType[] => new Array<NativeType>(count).fill(pointer);

export class Dnnl3 extends Dnnl {
  readonly firstPostOp = 32768;
  readonly asksForShift = false;
  protected readonly blocks = { channels: 78, groups: 114 };
  protected readonly matrixUnits = 0xfef;
  protected readonly normalisationFlags = { scale: 2, shift: 4, relu: 8 };
  protected readonly elementwiseKinds = {
    relu: 0x20,
    tanh: 0x21,
    abs: 0x24,
    sqrt: 0x25,
    linear: 0x26,
    logistic: 0x29,
    exp: 0x2a,
    log: 0x2d,
    clip: 0x2e,
    pow: 0x30,
    leakyRelu: 0x20,
    elu: 0x22,
    softplus: 0x27,
    swish: 0x2c,
    geluTanh: 0x2b,
    geluErf: 0x31,
    mish: 0x33,
    hardSwish: 0x34,
  };

  describe(form: Form): Description {
    const common = [form.shape.length, this.axes(form.shape), this.dtypeOf(form)];
    const address = form.strides
      ? this.made(
          "dnnl_memory_desc_create_with_strides",
          ["int", pointer, "int", pointer],
          [...common, this.axes(form.strides)],
        )
      : this.made("dnnl_memory_desc_create_with_tag", ["int", pointer, "int", "int"], [...common, this.tagOf(form)]);
    return { address };
  }

  /** The descriptor that `dnnl_KIND_primitive_desc_create` makes of the engine and what the kind takes. */
  #descriptor(
    kind: string,
    types: readonly NativeType[],
    given: readonly number[],
    postOps?: readonly PostOp[],
  ): Handle {
    return this.made(
      `dnnl_${kind}_primitive_desc_create`,
      [pointer, ...types, pointer],
      [this.engine, ...given, this.attributes(postOps)],
    );
  }

  protected convolutionDescriptor(given: ConvolutionForms, postOps?: readonly PostOp[]): Handle {
    const { source, weights, bias, result, training } = given;
    return this.#descriptor(
      "convolution_forward",
      ["int", "int", ...pointers(8)],
      [
        training ? propagation.training : propagation.inference,
        this.algorithmOf(given),
        ...[source, weights, bias, result].map(this.addressOfForm),
        ...this.slide(given),
      ],
      postOps,
    );
  }

  convolutionInputGradient(given: ConvolutionForms): Primitive {
    const { source, weights, result } = given;
    return this.primitive(
      this.#descriptor(
        "convolution_backward_data",
        ["int", ...pointers(8)],
        [
          this.algorithmOf(given),
          ...[source, weights, result].map(this.addressOfForm),
          ...this.slide(given),
          this.convolutionDescriptor(this.forwardOf(given)),
        ],
      ),
    );
  }

  convolutionWeightGradient(given: ConvolutionForms): Primitive {
    const { source, weights, bias, result } = given;
    return this.primitive(
      this.#descriptor(
        "convolution_backward_weights",
        ["int", ...pointers(9)],
        [
          this.algorithmOf(given),
          ...[source, weights, bias, result].map(this.addressOfForm),
          ...this.slide(given),
          this.convolutionDescriptor(this.forwardOf(given)),
        ],
      ),
    );
  }

  #pooling(given: PoolingForms): Handle {
    const { algorithm, source, result, training } = given;
    return this.#descriptor(
      "pooling_forward",
      ["int", "int", ...pointers(7)],
      [
        training ? propagation.training : propagation.inference,
        poolingKinds[algorithm],
        ...[source, result].map(this.addressOfForm),
        ...this.window(given),
      ],
    );
  }

  pooling(given: PoolingForms): Primitive {
    return this.primitive(this.#pooling(given));
  }

  poolingGradient(given: PoolingForms): Primitive {
    return this.primitive(
      this.#descriptor(
        "pooling_backward",
        ["int", ...pointers(8)],
        [
          poolingKinds[given.algorithm],
          ...[given.source, given.result].map(this.addressOfForm),
          ...this.window(given),
          this.#pooling({ ...given, training: true }),
        ],
      ),
    );
  }

  #normalisation(forms: NormalisationForms): Handle {
    const { source, epsilon, given, forGradient } = forms;
    const form = this.addressOfForm(source);
    return this.#descriptor(
      "batch_normalization_forward",
      ["int", pointer, pointer, "float", "uint"],
      [
        given && !forGradient ? propagation.inference : propagation.training,
        form,
        form,
        epsilon,
        this.normalisationFlagsOf(forms),
      ],
    );
  }

  normalisation(given: NormalisationForms): Primitive {
    return this.primitive(this.#normalisation(given));
  }

  normalisationGradient(given: NormalisationForms): Primitive {
    const form = this.addressOfForm(given.source);
    return this.primitive(
      this.#descriptor(
        "batch_normalization_backward",
        ["int", ...pointers(3), "float", "uint", pointer],
        [
          propagation.backward,
          form,
          form,
          form,
          given.epsilon,
          this.normalisationFlagsOf(given),
          this.#normalisation(given),
        ],
      ),
    );
  }

  elementwise(
    algorithm: Elementwise,
    given: Form,
    alpha: number,
    beta: number,
    postOps?: readonly PostOp[],
  ): Primitive {
    const form = this.addressOfForm(given);
    return this.primitive(
      this.#descriptor(
        "eltwise_forward",
        ["int", "int", pointer, pointer, "float", "float"],
        [propagation.inference, this.elementwiseKinds[algorithm], form, form, alpha, beta],
        postOps,
      ),
    );
  }

  elementwiseGradient(algorithm: Elementwise, given: Form, alpha: number, beta: number): Primitive {
    const kind = byResult[algorithm] ?? this.elementwiseKinds[algorithm];
    const form = this.addressOfForm(given);
    const forward = this.#descriptor(
      "eltwise_forward",
      ["int", "int", pointer, pointer, "float", "float"],
      [propagation.training, kind, form, form, alpha, beta],
    );
    return this.primitive(
      this.#descriptor(
        "eltwise_backward",
        ["int", ...pointers(3), "float", "float", pointer],
        [kind, form, form, form, alpha, beta, forward],
      ),
    );
  }

  softmax(kind: keyof typeof softmaxKinds, given: Form, axis: number): Primitive {
    const form = this.addressOfForm(given);
    return this.primitive(
      this.#descriptor(
        "softmax_forward",
        ["int", "int", pointer, pointer, "int"],
        [propagation.inference, softmaxKinds[kind], form, form, axis],
      ),
    );
  }

  resampling(kind: keyof typeof resamplingKinds, source: Form, result: Form): Primitive {
    return this.primitive(
      this.#descriptor(
        "resampling_forward",
        ["int", "int", ...pointers(3)],
        [propagation.inference, resamplingKinds[kind], 0, this.addressOfForm(source), this.addressOfForm(result)],
      ),
    );
  }

  resamplingGradient(kind: keyof typeof resamplingKinds, source: Form, result: Form): Primitive {
    const forms = [source, result].map(this.addressOfForm);
    const forward = this.#descriptor(
      "resampling_forward",
      ["int", "int", ...pointers(3)],
      [propagation.training, resamplingKinds[kind], 0, ...forms],
    );
    return this.primitive(
      this.#descriptor("resampling_backward", ["int", ...pointers(4)], [resamplingKinds[kind], 0, ...forms, forward]),
    );
  }

  responseNormalisation(form: Form, size: number, alpha: number, beta: number, bias: number): Primitive {
    const same = this.addressOfForm(form);
    return this.primitive(
      this.#descriptor(
        "lrn_forward",
        ["int", "int", ...pointers(2), "int64_t", "float", "float", "float"],
        [propagation.inference, acrossChannels, same, same, size, alpha, beta, bias],
      ),
    );
  }

  layerNormalisation(form: Form, statistics: Form, epsilon: number): Primitive {
    const same = this.addressOfForm(form);
    return this.primitive(
      this.#descriptor(
        "layer_normalization_forward",
        ["int", ...pointers(3), "float", "uint"],
        [propagation.training, same, same, this.addressOfForm(statistics), epsilon, this.scaleAndShift],
      ),
    );
  }

  binary(algorithm: Binary, first: Form, second: Form, result: Form, postOps?: readonly PostOp[]): Primitive {
    return this.quick(
      this.#descriptor(
        "binary",
        ["int", ...pointers(3)],
        [binaryKinds[algorithm], ...[first, second, result].map(this.addressOfForm)],
        postOps,
      ),
    );
  }

  product(first: Form, second: Form, bias: Form | undefined, result: Form, postOps?: readonly PostOp[]): Primitive {
    return this.primitive(
      this.#descriptor("matmul", pointers(4), [first, second, bias, result].map(this.addressOfForm), postOps),
    );
  }

  reduction(algorithm: Reduction, source: Form, result: Form): Primitive {
    return this.quick(
      this.#descriptor(
        "reduction",
        ["int", pointer, pointer, "float", "float"],
        [reductionKinds[algorithm], this.addressOfForm(source), this.addressOfForm(result), 0, 0],
      ),
    );
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
      [pointer, "int", "float", "float"],
      [list, this.elementwiseKinds[algorithm], alpha, beta],
    );
  }

  protected appendDepthwise(list: Handle, given: readonly number[]): void {
    const types: NativeType[] = [pointer, "int", "int", "int", "int64_t", "int64_t", "int64_t"];
    this.call("dnnl_post_ops_append_dw", types, [list, ...given]);
  }
}
