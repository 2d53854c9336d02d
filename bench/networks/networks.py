"""The networks that are measured, with the same weights at every call: torchvision's, and three that it does not have."""

import torch
import torchvision
from torch import nn
from torch.nn import functional


class LeNet5(nn.Sequential):
    """As published: tanh and average pooling."""

    def __init__(self, channels, classes):
        super().__init__(
            nn.Conv2d(channels, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(),
            nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, classes),
        )


class Block(nn.Module):
    """A basic block for CIFAR-10: its shortcut takes every second element and adds channels of zeros."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.stride, self.added = stride, out - channels

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.added:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added // 2, self.added // 2))
        return functional.relu(y + x)


class ResNet20(nn.Module):
    """He et al. 2015, section 4.2: three stages of three blocks."""

    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.blocks = nn.Sequential(
            *(Block(before, after, 1 if before == after else 2) for before, after in zip(widths, widths[1:]))
        )
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = self.blocks(functional.relu(self.bn1(self.conv1(x))))
        return self.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(nn.Module):
    """Ronneberger et al. 2015: max pooling down, 2x2 transposed convolutions up, the maps of the way down cropped to
    those of the way up and concatenated. The 3x3 convolutions are padded: without, 180 rows are too few for it."""

    def __init__(self, channels, classes):
        super().__init__()
        widths = [64, 128, 256, 512, 1024]

        def double(before, after):
            first, second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
            return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

        self.down = nn.ModuleList(double(*pair) for pair in zip([channels, *widths], widths))
        ways = list(zip(widths[:0:-1], widths[-2::-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(before, after, 2, 2) for before, after in ways)
        self.merge = nn.ModuleList(double(before, after) for before, after in ways)
        self.last = nn.Conv2d(widths[0], classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x):
        kept = []
        for level, double in enumerate(self.down):
            x = double(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for up, merge, skip in zip(self.up, self.merge, kept[-2::-1]):
            x = up(x)
            height, width = int(x.shape[2]), int(x.shape[3])
            top, left = (int(skip.shape[2]) - height) // 2, (int(skip.shape[3]) - width) // 2
            x = merge(torch.cat((skip[:, :, top : top + height, left : left + width], x), 1))
        return self.last(x)


OWN = {"lenet5": LeNet5, "resnet20": ResNet20, "unet": UNet}


def build(name, channels, classes):
    torch.manual_seed(1)
    if name in OWN:
        network = OWN[name](channels, classes)
    else:
        network = torchvision.models.get_model(name, weights=None, num_classes=classes)
    for module in network.modules():
        # Numbers that no two tensors share: the exporter writes equal tensors once.
        for key, parameter in module.named_parameters(recurse=False):
            if parameter.dim() == 1:
                nn.init.normal_(parameter, 0 if key == "bias" else 1, 0.05)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        # No dropout: its random numbers are drawn differently, and not in the exported file.
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def images(batch, shape):
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(1))
