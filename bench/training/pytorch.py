"""Trains LeNet-5 on command. The first line on standard input is the setting, each other one `LAYOUT STEPS`."""

import base64
import json
import sys
import time

try:
    import torch
    from hello import hello
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit()

setting = json.loads(sys.stdin.readline())
torch.set_num_threads(setting["threads"])


def tensor(encoded, shape, kind=torch.float32):
    return torch.frombuffer(bytearray(base64.b64decode(encoded)), dtype=kind).reshape(shape).clone()


class Trainer:
    def __init__(self, layout):
        nn = torch.nn
        self.model = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(),
            nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
        )
        with torch.no_grad():
            for parameter, weight in zip(self.model.parameters(), setting["weights"]):
                parameter.copy_(tensor(weight, parameter.shape))
        self.images = tensor(setting["images"], (setting["batch"], 1, 32, 32))
        self.labels = tensor(setting["labels"], (setting["batch"],), torch.int64)
        if layout == "channels_last":
            self.model = self.model.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=setting["learningRate"], momentum=setting["momentum"]
        )

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        self.optimiser.step()
        return loss.item()


trainers = {layout: Trainer(layout) for layout in ("contiguous", "channels_last")}
hello()

for line in sys.stdin:
    layout, steps = line.split()
    seconds = []
    for _ in range(int(steps)):
        start = time.perf_counter()
        loss = trainers[layout].step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "loss": loss}), flush=True)
