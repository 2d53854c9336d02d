"""Another draw of a folder of recorded cases, by PyTorch: the same cases with other numbers, or with other options too.

    python3 test/golden-cases/draw.py SOURCE OUT [--seed 1] [--vary]

SOURCE holds an ops.json; OUT gets an ops.json and an ops.safetensors of the same form, computed in float64 and stored
as float32. With --vary every case keeps its name and operator and gets other sizes, strides, padding, groups, modes ...;
one that PyTorch itself is far off in single precision (a normalisation of two numbers) is drawn again.
"""
import argparse
import json
import os
import random
import struct

import numpy
import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("source")
parser.add_argument("out")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--vary", action="store_true")
arguments = parser.parse_args()

torch.set_default_dtype(torch.float64)
torch.manual_seed(arguments.seed)
chance = random.Random(arguments.seed)
pick = chance.choice
upTo = chance.randint


def maybe(**options):
    """Each of the options, or not: PyTorch's default is then what counts."""
    return {name: value for name, value in options.items() if chance.random() < 0.5}


# ------------------------------------------------------------------------------------- other options, where asked for


def convolution(rank):
    def vary():
        while True:
            groups = upTo(1, 4)
            kernel = [pick([1, 2, 3, 4, 5]) for _ in range(rank)]
            size = [upTo(3, 11 if rank < 3 else 8) for _ in range(rank)]
            stride = [upTo(1, 3) for _ in range(rank)]
            padding = [upTo(0, 2) for _ in range(rank)]
            dilation = [upTo(1, 3) for _ in range(rank)]
            if all(s + 2 * p >= d * (k - 1) + 1 for s, p, d, k in zip(size, padding, dilation, kernel)):
                break
        inputs = {"x": [upTo(1, 3), groups * upTo(1, 3), *size]}
        inputs["w"] = [groups * upTo(1, 3), inputs["x"][1] // groups, *kernel]
        if chance.random() < 0.5:
            inputs["b"] = [inputs["w"][0]]
        return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}, inputs

    return vary


def transposed(rank):
    def vary():
        while True:
            groups = upTo(1, 3)
            kernel = [upTo(1, 4) for _ in range(rank)]
            size = [upTo(1, 5) for _ in range(rank)]
            stride = [upTo(1, 3) for _ in range(rank)]
            dilation = [upTo(1, 3) for _ in range(rank)]
            padding = [upTo(0, 2) for _ in range(rank)]
            extra = [upTo(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
            axes = zip(size, stride, padding, dilation, kernel)
            if all((n - 1) * s - 2 * p + d * (k - 1) + 1 >= 1 for n, s, p, d, k in axes):
                break
        inputs = {"x": [upTo(1, 3), groups * upTo(1, 2), *size]}
        inputs["w"] = [inputs["x"][1], upTo(1, 3), *kernel]
        if chance.random() < 0.5:
            inputs["b"] = [inputs["w"][1] * groups]
        options = {"stride": stride, "padding": padding, "output_padding": extra, "groups": groups, "dilation": dilation}
        return options, inputs

    return vary


def pooling(rank, largest):
    def vary():
        while True:
            kernel = [upTo(1, 4) for _ in range(rank)]
            stride = [upTo(1, 4) for _ in range(rank)]
            padding = [upTo(0, k // 2) for k in kernel]
            dilation = [upTo(1, 2) if largest else 1 for _ in range(rank)]
            size = [upTo(4, 10) for _ in range(rank)]
            axes = list(zip(size, padding, dilation, kernel))
            if all(n + 2 * p >= d * (k - 1) + 1 for n, p, d, k in axes):
                break
        options = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": pick([True, False])}
        options.update({"dilation": dilation} if largest else {"count_include_pad": pick([True, False])})
        return options, {"x": [upTo(1, 3), upTo(1, 3), *size]}

    return vary


def maps(least=3, most=8):
    return [upTo(1, 3), upTo(1, 4), upTo(least, most), upTo(least, most)]


def anyShape():
    return [upTo(1, 5) for _ in range(upTo(1, 4))]


def normalised(minimum=2, **options):
    def vary():
        x = [upTo(2, 4), upTo(1, 5), *[upTo(2, 5) for _ in range(upTo(minimum, 3))]]
        return {"eps": pick([1e-5, 1e-3, 0.1]), **options}, x

    return vary


def withVectors(options, x, names):
    return options, {"x": x, **{name: [x[1]] for name in names}}


def varyGroupNorm():
    groups = upTo(1, 3)
    x = [upTo(1, 3), groups * upTo(1, 3), *[upTo(2, 5) for _ in range(upTo(1, 3))]]
    return withVectors({"groups": groups, "eps": pick([1e-5, 1e-3])}, x, "wb")


def varyLayerNorm():
    x = [upTo(1, 3), *[upTo(2, 5) for _ in range(upTo(1, 3))]]
    last = x[-upTo(1, len(x) - 1) :]
    return {"normalized_shape": last, "eps": pick([1e-5, 1e-3])}, {"x": x, "w": last, "b": last}


def varyAdaptive():
    return {"output_size": [upTo(1, 5), upTo(1, 5)]}, {"x": maps()}


def varyLpPool():
    kernel = upTo(1, 3)
    return {"norm_type": pick([1, 2, 3, 4]), "kernel_size": kernel, "stride": upTo(1, 3)}, {"x": maps()}


def varyLrn():
    x = [upTo(1, 3), upTo(1, 9), *[upTo(1, 5) for _ in range(upTo(1, 3))]]
    options = {"size": upTo(1, 7), "alpha": pick([1e-4, 0.2, 1.0]), "beta": pick([0.5, 0.75, 1.0]), "k": pick([1.0, 2.0])}
    return options, {"x": x}


def varySoftmax():
    x = anyShape()
    return {"dim": upTo(-len(x), len(x) - 1)}, {"x": x}


def varyCrossEntropy():
    x = [upTo(1, 6), upTo(2, 5), *[upTo(1, 4) for _ in range(upTo(0, 2))]]
    inputs = {"x": x, "t": [x[0], *x[2:]]}
    if chance.random() < 0.5:
        inputs["w"] = [x[1]]
    reduction = pick(["mean", "sum", "none"])
    return maybe(reduction=reduction, label_smoothing=pick([0.1, 0.3]), ignore_index=pick([0, 255])), inputs


def pointwiseLoss(**choices):
    def vary():
        x = anyShape()
        return maybe(**{name: pick(values) for name, values in choices.items()}), {"x": x, "t": x}

    return vary


def varyKlDiv():
    x = [upTo(1, 5), upTo(2, 6)]
    return {"reduction": pick(["batchmean", "sum", "mean", "none"])}, {"x": x, "t": x}


def varyCosine():
    x = [upTo(2, 4) for _ in range(upTo(2, 4))]
    return {"dim": upTo(-len(x), len(x) - 1)}, {"x": x, "t": x}


def varyInterpolate():
    mode = pick(["nearest", "bilinear", "bicubic"])
    x = maps(1, 7)
    align = None if mode == "nearest" else pick([True, False])
    return {"size": [upTo(1, 15), upTo(1, 15)], "mode": mode, "align_corners": align}, {"x": x}


def varyPixelShuffle():
    upscale = upTo(1, 3)
    return {"upscale": upscale}, {"x": [upTo(1, 3), upscale**2 * upTo(1, 3), upTo(1, 5), upTo(1, 5)]}


def varyChannelShuffle():
    groups = upTo(1, 4)
    return {"groups": groups}, {"x": [upTo(1, 3), groups * upTo(1, 4), upTo(1, 5), upTo(1, 5)]}


def varyPad():
    x = maps(4, 7)
    pads = lambda: [upTo(0, 3), upTo(0, 3)]
    return {"pads_w": pads(), "pads_h": pads(), "mode": pick(["constant", "reflect", "replicate", "circular"])}, {"x": x}


def varyUnpool():
    kernel = upTo(2, 3)
    return {"kernel_size": kernel, "stride": kernel}, {"x": [upTo(1, 3), upTo(1, 3), kernel * upTo(1, 4), kernel * upTo(1, 4)]}


def varyUnfold():
    return {"kernel_size": upTo(1, 4), "padding": upTo(0, 2), "stride": upTo(1, 3), **maybe(dilation=1)}, {"x": maps(4, 8)}


def varyLinear():
    x = [upTo(1, 4) for _ in range(upTo(1, 3))] + [upTo(1, 7)]
    inputs = {"x": x, "w": [upTo(1, 5), x[-1]]}
    if chance.random() < 0.7:
        inputs["b"] = [inputs["w"][0]]
    return {}, inputs


def varyMaxOverChannels():
    groups = upTo(1, 4)
    return {"groups_of": groups}, {"x": [upTo(1, 3), groups * upTo(1, 4), upTo(1, 5), upTo(1, 5)]}


def activation(**choices):
    return lambda: (maybe(**{name: pick(values) for name, values in choices.items()}), {"x": anyShape()})


def varyPrelu():
    x = maps(1, 4)
    return {}, {"x": x, "w": [pick([1, x[1]])]}


rate = [0.001, 0.01, 0.1]
decay = [0.01, 0.1]


def varySgd():
    options = {"lr": pick(rate), **maybe(momentum=pick([0.5, 0.9]), weight_decay=pick(decay))}
    return {**options, **(maybe(nesterov=True) if "momentum" in options else {})}


def varyAdam():
    return {"lr": pick(rate), **maybe(weight_decay=pick(decay), betas=pick([[0.8, 0.9], [0.9, 0.99]]), eps=pick([1e-8, 1e-3]))}


def varyRmsprop():
    return {"lr": pick(rate), **maybe(momentum=0.5, alpha=pick([0.9, 0.99]), eps=pick([1e-8, 1e-3]), weight_decay=pick(decay))}


def varyAdagrad():
    return {"lr": pick(rate), **maybe(eps=pick([1e-10, 1e-3]), weight_decay=pick(decay))}


reductions = ["mean", "sum", "none"]
variations = {
    **{f"conv{rank}d": convolution(rank) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": transposed(rank) for rank in (1, 2, 3)},
    **{f"max_pool{rank}d": pooling(rank, True) for rank in (1, 2, 3)},
    **{f"avg_pool{rank}d": pooling(rank, False) for rank in (1, 2, 3)},
    "adaptive_avg_pool2d": varyAdaptive,
    "adaptive_max_pool2d": varyAdaptive,
    "lp_pool2d": varyLpPool,
    "local_response_norm": varyLrn,
    "batch_norm": lambda: withVectors(*normalised(0, training=pick([True, False]))(), "wbmv"),
    "instance_norm": lambda: withVectors(*normalised(1)(), "wb"),
    "group_norm": varyGroupNorm,
    "layer_norm": varyLayerNorm,
    **{name: activation() for name in "relu relu6 selu silu hardswish hardsigmoid tanh sigmoid mish".split()},
    "elu": activation(alpha=[0.5, 2.0]),
    "gelu": activation(approximate=["none", "tanh"]),
    "softplus": activation(beta=[0.5, 2.0], threshold=[2.0, 20.0]),
    "leaky_relu": activation(negative_slope=[0.2, 0.05]),
    "prelu": varyPrelu,
    "softmax": varySoftmax,
    "log_softmax": varySoftmax,
    "softmax_temperature": lambda: ({"tau": pick([0.5, 1.0, 2.5])}, {"x": [upTo(1, 4), upTo(1, 7)]}),
    "cross_entropy": varyCrossEntropy,
    "binary_cross_entropy_with_logits": pointwiseLoss(reduction=reductions),
    "mse_loss": pointwiseLoss(reduction=reductions),
    "l1_loss": pointwiseLoss(reduction=reductions),
    "smooth_l1_loss": pointwiseLoss(reduction=reductions, beta=[0.5, 2.0]),
    "kl_div": varyKlDiv,
    "cosine_similarity": varyCosine,
    "interpolate": varyInterpolate,
    "pixel_shuffle": varyPixelShuffle,
    "channel_shuffle": varyChannelShuffle,
    "pad": varyPad,
    "max_unpool2d_of_max_pool2d": varyUnpool,
    "unfold": varyUnfold,
    "linear": varyLinear,
    "max_over_channels": varyMaxOverChannels,
    "optimizer.sgd": varySgd,
    "optimizer.adam": varyAdam,
    "optimizer.adamw": varyAdam,
    "optimizer.rmsprop": varyRmsprop,
    "optimizer.adagrad": varyAdagrad,
}

# ---------------------------------------------------------------------------------- numbers, and what PyTorch makes of them

wide = set("relu relu6 elu selu gelu silu hardswish hardsigmoid tanh sigmoid softplus leaky_relu mish prelu".split())


def draw(op, name, shape, case):
    """The numbers of an operand, as float32 has them."""
    if name == "t" and op == "cross_entropy":
        labels = torch.randint(0, case["inputs"]["x"][1], shape)
        ignored = case["options"].get("ignore_index")
        return labels if ignored is None else torch.where(torch.rand(shape) < 0.2, torch.full_like(labels, ignored), labels)
    if name == "v":
        x = 0.5 + torch.rand(shape) * 1.5
    elif name == "w" and op in ("prelu", "cross_entropy"):
        x = 0.2 + torch.rand(shape)
    elif op == "kl_div":
        x = torch.log_softmax(torch.randn(shape), 1) if name == "x" else torch.softmax(torch.randn(shape), 1)
    elif name == "t" and op == "binary_cross_entropy_with_logits":
        x = torch.rand(shape)
    elif op == "lp_pool2d":
        x = torch.randn(shape).abs() + 0.1
    else:
        x = torch.randn(shape) * (3 if op in wide else 2 if op == "local_response_norm" else 1)
    return x.float().double()


def shuffled(x, groups):
    apart = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    return apart.transpose(1, 2).reshape(x.shape)


def unpooled(x, kernel_size, stride):
    largest, indices = F.max_pool2d(x, kernel_size, stride, return_indices=True)
    return F.max_unpool2d(largest, indices, kernel_size, stride, output_size=x.shape[2:])


def interpolated(x, size, mode, align_corners):
    return F.interpolate(x, size=size, mode=mode, align_corners=align_corners)


def byName(op):
    """PyTorch's function of that name, with inputs by PyTorch's names for them."""
    function = getattr(F, op)
    return lambda x, w=None, b=None, t=None, **options: function(
        *[each for each in (x, t, w, b) if each is not None], **options
    )


functions = {
    "adaptive_avg_pool2d": lambda x, output_size: F.adaptive_avg_pool2d(x, output_size),
    "batch_norm": lambda x, w, b, m, v, training, eps: F.batch_norm(x, m.clone(), v.clone(), w, b, training, 0.1, eps),
    "instance_norm": lambda x, w, b, eps: F.instance_norm(x, weight=w, bias=b, eps=eps),
    "group_norm": lambda x, w, b, groups, eps: F.group_norm(x, groups, w, b, eps),
    "layer_norm": lambda x, w, b, normalized_shape, eps: F.layer_norm(x, normalized_shape, w, b, eps),
    "softmax_temperature": lambda x, tau: F.softmax(-tau * x, -1),
    "cross_entropy": lambda x, t, w=None, **options: F.cross_entropy(x, t, weight=w, **options),
    "cosine_similarity": lambda x, t, dim: F.cosine_similarity(x, t, dim=dim),
    "interpolate": interpolated,
    "pixel_shuffle": lambda x, upscale: F.pixel_shuffle(x, upscale),
    "channel_shuffle": shuffled,
    "pad": lambda x, pads_w, pads_h, mode: F.pad(x, [*pads_w, *pads_h], mode=mode),
    "max_unpool2d_of_max_pool2d": unpooled,
    "max_over_channels": lambda x, groups_of: x.reshape(x.shape[0], -1, groups_of, *x.shape[2:]).amax(2),
    "tanh": lambda x: torch.tanh(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "hardswish": lambda x: x * F.relu6(x + 3) / 6,
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,
}
moving = lambda op, name: name in "xwb" and not (op == "cross_entropy" and name == "w") or (op == "cosine_similarity" and name == "t")

optimisers = {
    "optimizer.sgd": torch.optim.SGD,
    "optimizer.adam": torch.optim.Adam,
    "optimizer.adamw": torch.optim.AdamW,
    "optimizer.rmsprop": torch.optim.RMSprop,
    "optimizer.adagrad": torch.optim.Adagrad,
}


def results(op, options, inputs, targets, dy, dtype):
    """The output and the gradients of the targets, all computed in one type."""
    used = {each: tensor if each == "t" and op == "cross_entropy" else tensor.to(dtype) for each, tensor in inputs.items()}
    for each in targets:
        used[each] = used[each].clone().requires_grad_()
    y = (functions.get(op) or byName(op))(**used, **options)
    if dy is None:
        dy = torch.ones(()) if y.dim() == 0 else torch.randn(y.shape).float().double()
    gradients = torch.autograd.grad(y, [used[each] for each in targets], dy.to(dtype))
    return [y.detach(), *gradients], dy


def isHard(exact, single):
    """Whether PyTorch's own single precision is a tenth of the tolerance off, or the result no number."""
    if not all(each.isfinite().all() for each in exact):
        return True
    allowed = [1e-6] + [1e-5] * (len(exact) - 1)
    return any((a - b).abs().max() > c * a.abs().max() for a, b, c in zip(exact, single, allowed))


def operator(case, tensors):
    op, name = case["op"], case["name"]
    options = {key: value for key, value in case["options"].items() if key != "note"}
    inputs = {each: draw(op, each, shape, case) for each, shape in case["inputs"].items()}
    targets = [each for each in inputs if moving(op, each)]
    exact, dy = results(op, options, inputs, targets, None, torch.float64)
    if arguments.vary and isHard(exact, results(op, options, inputs, targets, dy, torch.float32)[0]):
        return operator(varied(case), tensors)
    tensors.update({f"{name}.{each}": tensor for each, tensor in inputs.items()})
    tensors.update({f"{name}.y": exact[0], f"{name}.dy": dy})
    tensors.update({f"{name}.d{each}": gradient for each, gradient in zip(targets, exact[1:])})
    return {**case, "gradients": {each: list(inputs[each].shape) for each in targets}, "output": list(exact[0].shape)}


def optimiser(case, tensors):
    name, steps = case["name"], case["steps"]
    start, gradients = [torch.randn(shape).float().double() for shape in ((6,), (steps, 6))]
    parameter = start.clone().requires_grad_()
    chosen = optimisers[case["op"]]([parameter], **case["options"])
    after = []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        chosen.step()
        after.append(parameter.detach().clone())
    tensors.update({f"{name}.p0": start, f"{name}.g": gradients, f"{name}.p": torch.stack(after)})
    return case


def varied(case):
    if "inputs" not in case:
        return {**case, "options": variations[case["op"]]()}
    options, inputs = variations[case["op"]]()
    return {**case, "options": options, "inputs": inputs}


def written(tensors):
    """The bytes of a safetensors file."""
    header, parts, start = {}, [], 0
    for name, tensor in tensors.items():
        whole = tensor.dtype == torch.int64
        data = tensor.detach().numpy().astype(numpy.int64 if whole else numpy.float32).tobytes()
        header[name] = {"dtype": "I64" if whole else "F32", "shape": list(tensor.shape), "data_offsets": [start, start + len(data)]}
        parts.append(data)
        start += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def main():
    with open(os.path.join(arguments.source, "ops.json")) as file:
        source = json.load(file)
    tensors = {}
    given = [varied(case) if arguments.vary else case for case in source["cases"]]
    cases = [(operator if "inputs" in case else optimiser)(case, tensors) for case in given]
    os.makedirs(arguments.out, exist_ok=True)
    with open(os.path.join(arguments.out, "ops.json"), "w") as file:
        json.dump({"torch": torch.__version__, "seed": arguments.seed, "cases": cases}, file)
    with open(os.path.join(arguments.out, "ops.safetensors"), "wb") as file:
        file.write(written(tensors))


main()
