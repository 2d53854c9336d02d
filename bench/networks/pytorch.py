"""Trains a network on command. The first line on standard input is the setting, each other one how many steps to make."""

import contextlib
import json
import resource
import sys
import time

try:
    import torch
    from hello import hello
    from networks import build
    from torch.nn import functional
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


setting = json.loads(sys.stdin.readline())
torch.set_num_threads(setting["threads"])
baseline = peak()
channels_last, bfloat16 = setting["layout"] != "contiguous", setting["precision"] == "bfloat16"
model = build(setting["network"], setting["input"][0], setting["classes"]).train()
count = setting["batch"]
size = count * torch.Size(setting["input"]).numel()
images = torch.from_file(setting["imagesFile"], size=size).clone().reshape(count, *setting["input"])
if channels_last:
    model = model.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
target = torch.Size([count, *setting["target"]])
labels = (torch.arange(target.numel()) % setting["classes"]).reshape(target)
optimiser = torch.optim.SGD(model.parameters(), lr=setting["learningRate"], momentum=setting["momentum"])


def step():
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext():
        logits = model(images)
    loss = functional.cross_entropy(logits.float(), labels)
    loss.backward()
    optimiser.step()
    return loss.item()


hello()

for line in sys.stdin:
    seconds, loss = [], None
    for _ in range(int(line)):
        start = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "loss": loss, "bytes": peak() - baseline}), flush=True)
