"""Net2Net for trained networks: deepen or widen, verify the function is unchanged, save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from reszoo.errors import GateError, UserError
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.model.net2net.deepen import GATE_BIAS, deepen_model
from reszoo.model.net2net.widen import widen_model
from reszoo.model.saving import save_model
from reszoo.spec.architecture import Architecture

MAX_DIFFERENCE = 1e-4
"""Largest difference of the logits that rounding explains, relative to the largest logit."""
_IMAGES = 4


@dataclass(frozen=True, slots=True)
class Net2NetResult:
    """A deepened or widened network with its measured difference from the original."""

    model: keras.Model
    spec: Architecture
    classes: tuple[str, ...] | None
    gate: float | None
    """Initial transform gate T of the new highway blocks, which move their input by T (H - x); None
    where all new blocks are the identity up to rounding."""
    difference: float
    """Largest difference of a logit from the original's on random images, relative to the largest
    logit."""


def deepen(
    target: Target,
    depths: Sequence[int],
    *,
    out: Path | str | None = None,
    seed: int | None = None,
    gate_bias: float | None = None,
) -> Net2NetResult:
    """Adds blocks to a trained network without changing its function (He 2015, section 1).

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits")  # doctest: +SKIP
        >>> reszoo.deepen(run, [2, 2, 2], out="deeper.keras")  # doctest: +SKIP
        >>> reszoo.train(start="deeper.keras", data="digits")  # doctest: +SKIP

    docs/deepening.md lists the blocks for which this is exact, and those that cannot be the
    identity.

    Args:
      target: a run or its folder, or a `.keras` file written by reszoo.
      depths: number of blocks of each stage, at least the present number.
      out: path to save to, ending in `.keras`. Defaults to not saving.
      seed: seed of the new blocks' weights. Defaults to a random one.
      gate_bias: bias of highway gates that have to be closed. Defaults to -6. A lower bias is
        closer to the original function, and slower to learn.

    Returns:
      The deeper network, its architecture and its measured difference.

    Raises:
      UserError: the target does not exist, the depths are invalid, or a block cannot be the
        identity.
      GateError: the deeper network computes another function; nothing is saved.
    """
    trained, spec = _load_with_spec(target)
    bias = GATE_BIAS if gate_bias is None else gate_bias
    deeper = deepen_model(trained.model, spec, depths, seed=seed, gate_bias=bias)
    return _verify_and_save(trained, deeper.model, deeper.spec, deeper.gate, out)


def widen(
    target: Target, factor: int = 2, *, out: Path | str | None = None, seed: int | None = None
) -> Net2NetResult:
    """Multiplies the channels of a trained network without changing its function (Net2Net).

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits")  # doctest: +SKIP
        >>> reszoo.widen(run, 2, out="wider.keras")  # doctest: +SKIP

    Args:
      target: a run or its folder, or a `.keras` file written by reszoo.
      factor: multiple of the channels, 2 or more. The number of weights grows by about its square.
      out: path to save to, ending in `.keras`. Defaults to not saving.
      seed: seed of the split of weights among the copies of a channel. Defaults to a random one.

    Returns:
      The wider network, its architecture and its measured difference.

    Raises:
      UserError: the target does not exist, the factor is below 2, or the channels cannot be
        copied (ECA).
      GateError: the wider network computes another function; nothing is saved.
    """
    trained, spec = _load_with_spec(target)
    model, wider = widen_model(trained.model, spec, factor, seed=seed)
    return _verify_and_save(trained, model, wider, None, out)


def _load_with_spec(target: Target) -> tuple[TrainedModel, Architecture]:
    trained = load_trained(target)
    if trained.spec is None:
        raise UserError(
            f"{target} has no spec, and cannot be deepened or widened",
            expected="a run, or a .keras file that `reszoo train` or `reszoo build` wrote",
            found="a Keras model without a spec",
            hint="`reszoo build SPEC --weights FILE -o NEW.keras` writes a file with a spec",
        )
    trained.refuse_fake_quantized(
        "deepened or widened",
        "deepen or widen the run that it was trained from, and train the result with --quantize",
    )
    return trained, trained.spec


def _verify_and_save(
    trained: TrainedModel,
    model: keras.Model,
    spec: Architecture,
    gate: float | None,
    out: Path | str | None,
) -> Net2NetResult:
    difference = _relative_difference(trained.model, model)
    if gate is None and not difference <= MAX_DIFFERENCE:
        raise GateError(
            f"the larger {spec.name} does not compute the same function",
            expected=f"logits within {MAX_DIFFERENCE:g} of the largest",
            found=f"{difference:.2g} on random images",
            hint="train the larger network from the start",
        )
    if out is not None:
        save_model(model, out, spec=spec, classes=trained.classes)
    return Net2NetResult(model, spec, trained.classes, gate, difference)


def _relative_difference(before: keras.Model, after: keras.Model) -> float:
    """Largest difference of the logits on random images, relative to the largest logit."""
    shape = (_IMAGES, *before.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    old, new = (np.asarray(model(images, training=False)) for model in (before, after))
    return float(np.abs(new - old).max() / max(np.abs(old).max(), np.finfo(np.float32).tiny))
