"""Small specs for the tests of the plan, made without the zoo."""

from __future__ import annotations

from typing import Any

from reszoo.spec.architecture import Architecture


def cifar(n: int = 1, classes: int = 10, **fields: Any) -> Architecture:
    """The CIFAR net of He 2015, 6n + 2 layers, option A shortcuts; any field may be changed."""
    block = {"shortcut": "zero_pad", **fields.pop("block", {})}
    stages = [
        {"depth": n, "width": 16},
        {"depth": n, "width": 32, "stride": 2},
        {"depth": n, "width": 64, "stride": 2},
    ]
    return architecture(
        name=f"resnet{6 * n + 2}",
        input=fields.pop("input", {"shape": [32, 32, 3]}),
        stem=fields.pop("stem", {"filters": 16, "kernel": 3}),
        block=block,
        stages=fields.pop("stages", stages),
        classes=classes,
        **fields,
    )


def highway_dense(depth: int, units: int, connection: str = "highway") -> Architecture:
    """The fully connected MNIST nets of Srivastava 2015: one plain layer, then depth - 1 more."""
    return architecture(
        name=f"{connection}_dense{depth}",
        input={"shape": [28, 28, 1]},
        norm="none",
        stem={"kind": "dense", "filters": units},
        block={"transform": "dense", "connection": connection},
        stages=[{"depth": depth - 1, "width": units}],
        classes=10,
    )


def architecture(**fields: Any) -> Architecture:
    """Any spec, from plain values."""
    return Architecture.model_validate(fields)
