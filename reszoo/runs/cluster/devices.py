"""Which strategy, devices and precision does a training use? From words and from what the machine
offers. No TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from reszoo.errors import UserError
from reszoo.system_info import processor_flags

StrategyWord = Literal["auto", "one", "mirrored", "multiworker", "tpu"]
"""What `--strategy` takes."""
STRATEGIES: tuple[StrategyWord, ...] = get_args(StrategyWord)

BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
"""A processor with one of these multiplies bfloat16 in hardware; elsewhere it is emulated."""


@dataclass(frozen=True, slots=True)
class Devices:
    """What `--devices` asks for."""

    kind: Literal["cpu", "gpu", "tpu"]
    indices: tuple[int, ...] | None = None
    """Which of them; None: all there are (of CPUs: the one)."""
    name: str | None = None
    """A TPU's, where it is not this machine's own."""


def parse_devices(words: str) -> Devices:
    """`cpu:4` is four logical CPU devices; `gpu`, `gpu:0,1` and `gpu:0,gpu:1` are GPUs; `tpu` is
    this machine's and `tpu:NAME` one of the cloud.

    Raises:
      UserError: it is none of these.
    """
    kind, _, rest = words.strip().partition(":")
    kind = kind.lower()
    if kind == "tpu":
        return Devices("tpu", name=rest or None)
    if kind == "cpu" and rest.isdecimal() and int(rest) > 0:
        return Devices("cpu", tuple(range(int(rest))))
    if kind in ("cpu", "gpu") and not rest:
        return Devices(kind)  # type: ignore[arg-type]
    found = [re.fullmatch(rf"(?:{kind}:)?(\d+)", word.strip()) for word in rest.split(",")]
    indices = tuple(int(match[1]) for match in found if match)
    several = kind == "gpu" or len(indices) > 1
    if kind not in ("cpu", "gpu") or not several or None in found or _repeats(indices):
        raise UserError(
            "the devices cannot be read",
            where="--devices",
            expected="cpu, cpu:4 (four logical ones), gpu, gpu:0,1, tpu or tpu:NAME",
            found=words,
        )
    return Devices(kind, indices)  # type: ignore[arg-type]


def _repeats(indices: tuple[int, ...]) -> bool:
    return len(set(indices)) < len(indices)


def choose_strategy(
    devices: int, word: StrategyWord = "auto", *, workers: int = 1, tpu: bool = False
) -> str:
    """The strategy for so many devices of this worker and so many workers.

    Raises:
      UserError: the word asks for what is not there.
    """
    if word not in STRATEGIES:
        raise UserError("unknown strategy", expected=", ".join(STRATEGIES), found=str(word))
    if word == "multiworker" and workers == 1:
        raise UserError(
            "there are no other workers to train with",
            where="--strategy",
            expected="TF_CONFIG, or Slurm's variables (`srun -n 2 ...`), with two workers or more",
            found="neither",
            hint="several devices of one machine: --strategy mirrored",
        )
    if word == "one" and devices > 1:
        raise UserError(
            "one replica uses one device", where="--devices", expected="one", found=str(devices)
        )
    if word == "auto":
        word = _best(devices, workers, tpu)
    return "one device" if word == "one" else word


def _best(devices: int, workers: int, tpu: bool) -> StrategyWord:
    if workers > 1:
        return "multiworker"
    if tpu:
        return "tpu"
    return "mirrored" if devices > 1 else "one"


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


def require_division(batch: int, replicas: int, accumulate: int = 1) -> None:
    """Refuses a batch that does not divide over replicas and the parts of a step.

    Raises:
      UserError: says which batches near by would.
    """
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
