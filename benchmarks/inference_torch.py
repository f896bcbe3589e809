"""The sides of `inference.py` that run in PyTorch, in a Python without TensorFlow and reszoo.

Both use channels_last, as PyTorch's own guide for CPUs recommends. `compile` freezes the weights,
so that Inductor folds the normalisations and packs the weights for oneDNN.
"""

from __future__ import annotations

import json
import sys

import torch
from timm_parity import import_timm
from torch import nn
from torch._inductor import config as inductor
from turns import serve


def main() -> None:
    """Runs the task on the command line whenever `inference.py` gives a turn."""
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    model = import_timm().create_model(task["net"]).eval()
    random_statistics(model)
    size = model.default_cfg["input_size"]
    model = model.to(memory_format=torch.channels_last)
    if task["kind"] == "compile":
        inductor.freezing = True
        model = torch.compile(model)
    images = torch.rand(task["batch"], *size).to(memory_format=torch.channels_last)
    low = task["precision"] == "bfloat16"

    def repeat(count: int) -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            for _ in range(count):
                model(images)

    serve(lambda: repeat(3), lambda _: repeat(task["calls"]))


def random_statistics(model: nn.Module) -> None:
    """Sets the normalisations as a training may leave them."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for weight in (layer.weight, layer.running_var):
                nn.init.uniform_(weight, 0.5, 1.5)
            for weight in (layer.bias, layer.running_mean):
                nn.init.uniform_(weight, -0.3, 0.3)


if __name__ == "__main__":
    main()
