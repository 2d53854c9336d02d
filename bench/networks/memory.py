"""The most memory that a network takes in PyTorch. Usage: memory.py SETTING, which is JSON; prints bytes over what the
process had when its libraries were loaded."""

import json
import sys

import torch
from networks import build, images
from torch.nn import functional


def peak():
    """Of this program alone: what getrusage tells begins with the memory of the process that started it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


setting = json.loads(sys.argv[1])
torch.set_num_threads(setting["threads"])
torch.mm(torch.ones(64, 64), torch.ones(64, 64))
baseline = peak()
memory_format = getattr(torch, setting["layout"])
model = build(setting["network"], setting["input"][0], setting["classes"]).to(memory_format=memory_format)
batch = images(setting["batch"], setting["input"]).contiguous(memory_format=memory_format)
if setting["work"] == "training":
    target = torch.Size([setting["batch"], *setting["target"]])
    labels = (torch.arange(target.numel()) % setting["classes"]).reshape(target)
    optimiser = torch.optim.SGD(model.train().parameters(), lr=0.001, momentum=0.9)
    for _ in range(3):
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(model(batch), labels).backward()
        optimiser.step()
else:
    with torch.no_grad():
        for _ in range(3):
            model.eval()(batch)
print(peak() - baseline)
