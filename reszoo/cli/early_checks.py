"""Checks of a command's words that need no TensorFlow, which takes seconds to start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reszoo.spec.recipe import Recipe
    from reszoo.spec.target import Target


def check_network(target: str) -> None:
    """Raises a `UserError` unless a path names a run with a network, or a file."""
    from reszoo.inference.find_network import find_network, require_model
    from reszoo.runs import Run

    found = find_network(target)
    if isinstance(found, Run):
        require_model(found)


def check_teachers(targets: Iterable[str] | None, student: str | None) -> None:
    """Raises a `UserError` for a missing teacher, or one in the run folder of its student."""
    from reszoo.training.teacher_record import find_teacher

    for target in targets or ():
        find_teacher(target, None if student is None else Path(student))


def check_data(word: str | None) -> None:
    """Raises a `UserError` for an unknown word for data, or a missing folder; None passes."""
    from reszoo.data.data_word import check_data_word

    if word is not None:
        check_data_word(word)


def check_images(paths: Iterable[str]) -> None:
    """Raises a `UserError` for a missing picture; what is there is read later."""
    from reszoo.data.images.decoding import read_image

    for path in paths:
        if not os.path.lexists(path):
            read_image(path)


def check_weights(source: str | None) -> None:
    """Raises a `UserError` for a malformed source of weights or a missing file; None passes."""
    from reszoo.weight_source import parse_weight_source

    if source is not None:
        parse_weight_source(source)


def check_float_layers(text: str | None, source: str, target: Target) -> None:
    """Raises a `UserError` for --keep-float with a name that no layer of a run has; None passes.

    The layers of a .keras file are read later.
    """
    from reszoo.exporting.float_layers import (
        parse_float_layers,
        require_float_allowed,
        require_layers,
    )
    from reszoo.inference.find_network import find_network
    from reszoo.planning.network import plan
    from reszoo.runs import Run

    if not text:
        return
    names = parse_float_layers(text)
    require_float_allowed(target)
    if isinstance(run := find_network(source), Run):
        require_layers(names, [row.name for row in plan(run.architecture()).rows])


def check_quantize(
    quantize: str | None, recipe: Recipe | None, start: str | None, weights: str | None
) -> None:
    """Raises a `UserError` for --quantize, or a recipe that quantizes, without --from."""
    from reszoo.inference.find_network import require_trained_start

    if quantize is not None:
        require_trained_start("--quantize", start, weights)
    elif recipe is not None and recipe.quantize is not None:
        require_trained_start(recipe.where("quantize"), start, weights)


def check_devices(devices: str | None) -> None:
    """Raises a `UserError` for --devices that cannot be read; None passes."""
    from reszoo.runs.cluster.devices import parse_devices

    if devices is not None:
        parse_devices(devices)
