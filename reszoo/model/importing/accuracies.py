"""Published accuracies of pretrained weights, each read from its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOP1_TOP5: Mapping[str, tuple[float, float]] = {
    "resnet18.tv_in1k": (69.758, 89.078),
    "resnet34.tv_in1k": (73.314, 91.42),
    "resnet50.tv_in1k": (76.13, 92.862),
    "resnet50.tv2_in1k": (80.858, 95.434),
    "resnet101.tv_in1k": (77.374, 93.546),
    "resnet101.tv2_in1k": (81.886, 95.78),
    "resnet152.tv_in1k": (78.312, 94.046),
    "resnet152.tv2_in1k": (82.284, 96.002),
}

_TOP1: Mapping[str, tuple[float, int]] = {
    "resnet50.a1_in1k": (80.382, 224),
    "resnet50.a2_in1k": (79.828, 224),
    "resnet50.a3_in1k": (78.052, 224),
    "resnet18d.ra2_in1k": (72.296, 224),
    "resnet34d.ra2_in1k": (77.108, 224),
    "resnet50d.ra2_in1k": (80.546, 224),
    "resnet50d.a1_in1k": (80.73, 224),
    "resnet101d.ra2_in1k": (82.254, 256),
    "resnet152d.ra2_in1k": (83.16, 256),
    "resnet200d.ra2_in1k": (83.25, 256),
    "seresnet50.ra2_in1k": (80.26, 224),
    "seresnext50_32x4d.racm_in1k": (81.268, 224),
}
"""By tag: percent, and the side in pixels of the square images it was measured on."""


def published_accuracy(source: str) -> dict[str, Any]:
    """Returns the accuracy fields of a spec's `weights`; empty if none is known."""
    kind, _, tag = source.partition(":")
    if kind == "timm" and tag in _TOP1_TOP5:
        top1, top5 = _TOP1_TOP5[tag]
        return {"top1": top1, "top5": top5, "where": "torchvision's weights metadata, 224 pixels"}
    if kind == "timm" and tag in _TOP1:
        top1, pixels = _TOP1[tag]
        return {"top1": top1, "where": f"timm's results-imagenet.csv, {pixels} pixels"}
    return {}
