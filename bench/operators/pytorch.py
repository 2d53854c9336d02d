"""Runs single operators on command. The first line on standard input is the setting, each other one a job in JSON."""

import json
import sys
import time

try:
    import torch
    from hello import hello
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit()

torch.set_num_threads(json.loads(sys.stdin.readline())["threads"])
aten = torch.ops.aten


def convolution(job, random):
    x, w = random(job["x"]), random(job["w"])
    form = [[job["stride"]] * 2, [job["padding"]] * 2, [1, 1]]
    group = job["group"]
    if job["kind"] == "forward":
        return lambda: torch.conv2d(x, w, None, *form, group)
    g = torch.randn_like(torch.conv2d(x, w, None, *form, group))
    mask = [job["kind"] == "input gradient", job["kind"] == "weight gradient", False]
    return lambda: aten.convolution_backward(g, x, w, None, *form, False, [0, 0], group, mask)


def max_pooling(job, random):
    x = random(job["x"])
    form = [[3, 3], [2, 2], [1, 1], [1, 1], False]
    y, at = aten.max_pool2d_with_indices(x, *form)
    g = torch.randn_like(y)
    if job["kind"] == "forward":
        return lambda: aten.max_pool2d_with_indices(x, *form)
    return lambda: aten.max_pool2d_with_indices_backward(g, x, *form, at)


def average_pooling(job, random):
    x = random(job["x"])
    mean = torch.nn.functional.adaptive_avg_pool2d
    if job["kind"] == "forward":
        return lambda: mean(x, 1)
    with torch.enable_grad():
        y = mean(x.requires_grad_(), 1)
    g = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, x, g, retain_graph=True)


def normalisation(job, random):
    x = random(job["x"])
    scale, bias, mean, variance = [torch.rand(x.shape[1]) + 0.5 for _ in range(4)]
    forward = [x, scale, bias, mean, variance, job["kind"] == "training", 0.1, 1e-5]
    if job["kind"] != "gradient":
        return lambda: torch.native_batch_norm(*forward)
    _, saved_mean, saved_inverse = torch.native_batch_norm(x, scale, bias, mean, variance, True, 0.1, 1e-5)
    g = torch.randn_like(x)
    backward = [g, x, scale, mean, variance, saved_mean, saved_inverse, True, 1e-5, [True, True, True]]
    return lambda: aten.native_batch_norm_backward(*backward)


families = {
    "convolution": convolution,
    "max pooling": max_pooling,
    "average pooling": average_pooling,
    "batch normalisation": normalisation,
}


def prepare(job):
    layout = torch.channels_last if job["layout"] == "channels last" else torch.contiguous_format
    random = lambda shape: torch.randn(shape).contiguous(memory_format=layout)
    return [families[job["family"]](job, random) for _ in range(job["repeats"])]


hello()

prepared = {}
with torch.no_grad():
    for line in sys.stdin:
        command = json.loads(line)
        name, steps = json.dumps(command["job"]), command["steps"]
        if name not in prepared:
            if len(prepared) == 2:
                prepared.clear()
            prepared[name] = prepare(command["job"])
        seconds = []
        for step in range(steps):
            start = time.perf_counter()
            prepared[name][step % len(prepared[name])]()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)
