"""The side of `train_step.py` that runs in PyTorch, in a Python without TensorFlow and reszoo.

Eager, channels_last and automatic mixed precision, as PyTorch's own guide for CPUs recommends.
`torch.compile` was measured to be as fast.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import Any

import torch
from timm_parity import import_timm
from torch import nn
from torch.nn import functional
from turns import serve


def main() -> None:
    """Runs the task on the command line whenever `train_step.py` gives a turn."""
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    side = 32 if task["net"] in CIFAR_DEPTHS else 224
    images = torch.rand(task["batch"], 3, side, side).to(memory_format=torch.channels_last)
    model = network(task["net"]).to(memory_format=torch.channels_last).train()
    labels = torch.randint(10 if side == 32 else 1000, (task["batch"],))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)
    low = task["precision"] == "mixed_bfloat16"

    def steps(count: int) -> None:
        correct, total = torch.zeros(()), 0.0
        for _ in range(count):
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = model(images)
                loss = functional.cross_entropy(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            correct += (logits.argmax(1) == labels).sum()
            total += loss.item()

    serve(lambda: steps(2), lambda _: steps(task["steps"]))


CIFAR_DEPTHS = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18}


def network(name: str) -> nn.Module:
    """Returns timm's network of that name, or He 2015's for CIFAR."""
    if name in CIFAR_DEPTHS:
        return cifar_resnet(CIFAR_DEPTHS[name])
    model: nn.Module = import_timm().create_model(name)
    return model


def cifar_resnet(depth: int) -> nn.Module:
    """Returns the network of He 2015, section 4.2, with shortcuts of option A."""
    widths = [16] * (depth + 1) + [32] * depth + [64] * depth
    blocks = [Block(before, after) for before, after in pairwise(widths)]
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*stem, *blocks, *head)


class Block(nn.Module):
    """Two convolutions and a shortcut; a block that widens also halves the map."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.stride, self.wider = (1, 0) if before == after else (2, after - before)
        self.conv1 = nn.Conv2d(before, after, 3, self.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)

    def forward(self, x: Any) -> Any:
        """Computes relu(x + H(x))."""
        h = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        h = self.norm2(self.conv2(h))
        if self.wider:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.wider))
        return functional.relu(h + x, inplace=True)


if __name__ == "__main__":
    main()
