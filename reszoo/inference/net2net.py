"""How does a trained network grow, and how is it known that it still says the same?"""

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

LARGEST_DIFFERENCE = 1e-4
"""Of the logits, as a share of the largest, where nothing but rounding may differ."""
_IMAGES = 4


@dataclass(frozen=True, slots=True)
class Net2NetResult:
    """A network that grew from a trained one, and what is known about it."""

    model: keras.Model
    spec: Architecture
    classes: tuple[str, ...] | None
    gate: float | None
    """How far each new highway block moves its input towards H at first; None where all new blocks
    are the identity to rounding."""
    difference: float
    """Largest difference of a logit to the smaller net's, as a share of the largest logit, on
    random images."""


def deepen(
    target: Target,
    depths: Sequence[int],
    *,
    out: Path | str | None = None,
    seed: int | None = None,
    gate_bias: float | None = None,
) -> Net2NetResult:
    """A trained network with more blocks that computes the same function (He 2015, section 1).

        >>> import reszoo
        >>> reszoo.deepen("runs/a", [5, 5, 5], out="deeper.keras")  # doctest: +SKIP
        >>> run = reszoo.train(start="deeper.keras", data="digits")  # doctest: +SKIP

    docs/deepening.md says for which blocks this is exact, and which cannot be the identity.

    Args:
      target: a run or its folder, or a `.keras` file that reszoo wrote.
      depths: blocks of each stage, at least as many as there are.
      out: where to save it, a name that ends in .keras.
      seed: of the new blocks' weights; drawn afresh unless given.
      gate_bias: of highway gates that have to be shut, -6 unless given. Lower is closer to the
        same function, and slower to learn.

    Raises:
      UserError: there is no such network, the depths are not possible ones, or a block of the net
        cannot be the identity; the message says why.
      GateError: the deeper network does not say the same; nothing is saved.
    """
    trained, spec = _trained(target)
    bias = GATE_BIAS if gate_bias is None else gate_bias
    deeper = deepen_model(trained.model, spec, depths, seed=seed, gate_bias=bias)
    difference = _difference(trained.model, deeper.model)
    grown = Net2NetResult(deeper.model, deeper.spec, trained.classes, deeper.gate, difference)
    return _saved(grown, out)


def widen(
    target: Target, factor: int = 2, *, out: Path | str | None = None, seed: int | None = None
) -> Net2NetResult:
    """A trained network with `factor` times the channels that computes the same (Net2Net).

        >>> import reszoo
        >>> reszoo.widen("runs/a", 2, out="wider.keras")  # doctest: +SKIP

    Args:
      target: a run or its folder, or a `.keras` file that reszoo wrote.
      factor: 2 or more; the weights become about its square as many.
      out: where to save it, a name that ends in .keras.
      seed: of how weights are shared out among the copies of a channel; drawn afresh unless given.

    Raises:
      UserError: there is no such network, the factor is none, or its channels cannot be made
        several times (ECA).
      GateError: the wider network does not say the same; nothing is saved.
    """
    trained, spec = _trained(target)
    model, wider = widen_model(trained.model, spec, factor, seed=seed)
    difference = _difference(trained.model, model)
    return _saved(Net2NetResult(model, wider, trained.classes, None, difference), out)


def _trained(target: Target) -> tuple[TrainedModel, Architecture]:
    trained = load_trained(target)
    if trained.spec is None:
        raise UserError(
            f"{target} does not say its architecture, and cannot grow",
            expected="a run, or a .keras file that `reszoo train` or `reszoo build` wrote",
            found="a Keras model alone",
        )
    return trained, trained.spec


def _saved(grown: Net2NetResult, out: Path | str | None) -> Net2NetResult:
    """The network, saved where asked for, if it says what the smaller one said."""
    if grown.gate is None and not grown.difference <= LARGEST_DIFFERENCE:
        raise GateError(
            f"the larger {grown.spec.name} does not compute the same function",
            expected=f"logits within {LARGEST_DIFFERENCE:g} of the largest",
            found=f"{grown.difference:.2g} on random images",
        )
    if out is not None:
        save_model(grown.model, out, spec=grown.spec, classes=grown.classes)
    return grown


def _difference(before: keras.Model, after: keras.Model) -> float:
    """The largest difference of the logits on random images, as a share of the largest."""
    shape = (_IMAGES, *before.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    old, new = (np.asarray(model(images, training=False)) for model in (before, after))
    return float(np.abs(new - old).max() / max(np.abs(old).max(), np.finfo(np.float32).tiny))
