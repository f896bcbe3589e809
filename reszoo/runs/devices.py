"""Which strategy and precision a training chooses, from what the machine offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from reszoo.runs.machine import processor_flags

StrategyName = Literal["one device", "mirrored"]

BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
"""A processor with one of these multiplies bfloat16 in hardware; elsewhere it is emulated."""


def choose_strategy(gpus: int) -> StrategyName:
    """One device, or one replica on each of several GPUs."""
    return "mirrored" if gpus > 1 else "one device"


def choose_precision(
    capabilities: Iterable[tuple[int, int]] = (), flags: Iterable[str] | None = None
) -> Literal["float32", "mixed_bfloat16"]:
    """What a recipe's `precision: auto` means here.

    Args:
      capabilities: compute capability of each GPU; all must be 8.0 or newer for bfloat16.
      flags: the processor's, for a machine without a GPU; read from the system unless given.
    """
    capabilities = list(capabilities)
    if capabilities:
        fast = all(capability >= (8, 0) for capability in capabilities)
    else:
        fast = not BFLOAT16_FLAGS.isdisjoint(processor_flags() if flags is None else flags)
    return "mixed_bfloat16" if fast else "float32"
