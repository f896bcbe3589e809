"""Checks of a command's words that need no TensorFlow, which takes seconds to start."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable


def check_network(target: str) -> None:
    """Raises a `UserError` unless a path names a run with a network, or a file."""
    from reszoo.inference.find_network import find_network, require_model
    from reszoo.runs import Run

    found = find_network(target)
    if isinstance(found, Run):
        require_model(found)


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


def check_devices(options: Namespace) -> None:
    """Raises a `UserError` for --devices and --checkpoint-every that cannot be read."""
    from reszoo.runs.checkpoint_policy import Interval
    from reszoo.runs.cluster.devices import parse_devices

    if options.devices is not None:
        parse_devices(options.devices)
    if options.checkpoint_every is not None:
        Interval.parse(options.checkpoint_every)
