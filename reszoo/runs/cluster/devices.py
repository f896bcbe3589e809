"""Strategy, devices and precision of a training, from options and machine, without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from reszoo.errors import UserError
from reszoo.system_info import processor_flags

StrategyWord = Literal["auto", "one", "mirrored", "multiworker", "tpu"]
"""The values of `--strategy`."""
STRATEGIES: tuple[StrategyWord, ...] = get_args(StrategyWord)

BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
"""A processor with one of these multiplies bfloat16 in hardware; elsewhere it is emulated."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The value of `--devices`, parsed."""

    kind: Literal["cpu", "gpu", "tpu"]
    indices: tuple[int, ...] | None = None
    """Indices of the devices; None: all GPUs, or the one CPU."""
    name: str | None = None
    """Name of a TPU in the cloud; None: this machine's own."""


def parse_devices(text: str) -> Devices:
    """Parses `--devices`.

    `cpu:4` means four logical CPU devices; `gpu`, `gpu:0,1` and `gpu:0,gpu:1` are GPUs; `tpu` is
    this machine's TPU and `tpu:NAME` one in the cloud. Raises UserError for anything else.
    """
    kind, _, rest = text.strip().partition(":")
    kind = kind.lower()
    if kind == "tpu":
        return Devices("tpu", name=rest or None)
    if kind == "cpu" and rest.isdecimal() and int(rest) > 0:
        return Devices("cpu", tuple(range(int(rest))))
    if kind in ("cpu", "gpu") and not rest:
        return Devices(kind)  # type: ignore[arg-type]
    matches = [re.fullmatch(rf"(?:{kind}:)?(\d+)", word.strip()) for word in rest.split(",")]
    indices = tuple(int(match[1]) for match in matches if match)
    repeated = len(set(indices)) < len(indices)
    # Logical CPUs have no order: `cpu:0,cpu:1` is another way to write `cpu:2`.
    counted = len(indices) > 1 and sorted(indices) == list(range(len(indices)))
    known = kind == "gpu" or (kind == "cpu" and counted)
    if not known or None in matches or repeated:
        raise UserError(
            "the devices cannot be read",
            where="--devices",
            expected="cpu, cpu:4 (four logical ones), gpu, gpu:0,1, tpu or tpu:NAME",
            found=text,
            hint="write cpu or gpu; `reszoo doctor` lists the devices of this machine",
        )
    return Devices(kind, indices)  # type: ignore[arg-type]


def choose_strategy(
    devices: int, word: StrategyWord = "auto", *, workers: int = 1, tpu: bool = False
) -> str:
    """Returns the strategy for the devices per worker; raises UserError if `word` does not fit."""
    if word not in STRATEGIES:
        raise UserError(
            "unknown strategy",
            expected=", ".join(STRATEGIES),
            found=str(word),
            hint="write auto, or leave it out",
        )
    if word == "multiworker" and workers == 1:
        raise UserError(
            "there are no other workers to train with",
            where="--strategy",
            expected="TF_CONFIG, or Slurm's variables (`srun -n 2 ...`), with two workers or more",
            found="neither",
            hint="use --strategy mirrored for several devices of one machine",
        )
    if word == "one" and devices > 1:
        raise UserError(
            "one replica uses one device",
            where="--devices",
            expected="one",
            found=str(devices),
            hint="name one device, such as --devices gpu:0, or leave out `--strategy one`",
        )
    if word == "auto" and workers > 1:
        return "multiworker"
    if word == "auto" and tpu:
        return "tpu"
    if word == "auto" and devices > 1:
        return "mirrored"
    return "one device" if word in ("auto", "one") else word


def choose_precision(
    capabilities: Iterable[tuple[int, int]] = (), flags: Iterable[str] | None = None
) -> Literal["float32", "mixed_bfloat16"]:
    """Returns the precision that a recipe's `precision: auto` means on this machine.

    Args:
      capabilities: compute capability of each GPU; all must be 8.0 or newer for bfloat16.
      flags: flags of the processor, for a machine without a GPU. Defaults to those of the system.
    """
    capabilities = list(capabilities)
    if capabilities:
        fast = all(capability >= (8, 0) for capability in capabilities)
    else:
        fast = not BFLOAT16_FLAGS.isdisjoint(processor_flags() if flags is None else flags)
    return "mixed_bfloat16" if fast else "float32"


def require_divisible_batch(batch: int, replicas: int, accumulate: int = 1) -> None:
    """Raises UserError if a batch does not divide over replicas and accumulation steps."""
    parts = replicas * accumulate
    if batch % parts == 0:
        return
    lower, upper = batch // parts * parts, -(-batch // parts) * parts
    near = f"{lower} or {upper}" if lower else str(upper)
    shares = f"{replicas} replicas" + (f" times {accumulate} parts" if accumulate > 1 else "")
    raise UserError(
        f"a batch of {batch} does not divide over {shares}",
        expected=f"a multiple of {parts}, such as {near}",
        found=str(batch),
        hint=f"--set-recipe batch={lower or upper}, or another number of devices",
    )
