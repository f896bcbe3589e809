"""On which devices does a training run, and in which precision?"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from reszoo.runs import choose_precision, choose_strategy
from reszoo.spec.recipe import Precision


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model is built and trained."""

    strategy: tf.distribute.Strategy
    strategy_name: str
    device_kind: str
    """`cpu` or `gpu`: which fast layers the model is built with."""
    devices: tuple[str, ...]
    precision: str
    """The Keras dtype policy."""


def place(precision: Precision = "auto") -> Placement:
    """One device, or one replica on each GPU where there are several.

    Args:
      precision: the recipe's; `auto` is decided here, by what the device computes in hardware.
    """
    gpus = tf.config.list_physical_devices("GPU")
    name = choose_strategy(len(gpus))
    strategy = tf.distribute.MirroredStrategy() if name == "mirrored" else None
    kind = "gpu" if gpus else "cpu"
    return Placement(
        strategy=strategy or tf.distribute.get_strategy(),
        strategy_name=name,
        device_kind=kind,
        devices=tuple(device.name for device in gpus) or (kind,),
        precision=_precision(precision, gpus),
    )


def _precision(precision: Precision, gpus: list[tf.config.PhysicalDevice]) -> str:
    if precision != "auto":
        return precision
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return choose_precision([detail.get("compute_capability", (0, 0)) for detail in details])
