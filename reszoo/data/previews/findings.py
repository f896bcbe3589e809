"""Findings about data that no error stops: `data` and `train` say the same of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reszoo.counted import counted, first_few
from reszoo.data.dataset import ImageData
from reszoo.data.images.decoding import SixteenBit
from reszoo.data.sources.arrays import ArraySource

_LISTED = 5
_HASHED_BYTES = 1 << 29
"""Arrays up to this size are searched for pictures that are in two splits (about a second)."""
_NARROW = 1 << 14
"""A quarter of what 16 bits hold."""


def findings(data: ImageData, sixteen_bit: SixteenBit = None) -> list[str]:
    """Returns a sentence on each finding; `sixteen_bit` is the network's setting, if there is one.

    Findings are 16-bit values in a narrow range, links that are not followed, pictures that are in
    the training split and in another one, and classes that a split lacks.
    """
    return [
        *_narrow_ranges(data, sixteen_bit),
        *_ignored_links(data),
        *_shared_images(data),
        *_lacking_classes(data),
    ]


def shared_images(data: ImageData) -> list[tuple[str, str]] | None:
    """Returns pairs of equal images, of the first split and of another; None if not searched."""
    if len(data.splits) < 2:
        return []
    if "shared" in data.facts:
        return [(str(first), str(other)) for first, other in data.facts["shared"]]
    source = data.source
    if not isinstance(source, ArraySource):
        return None
    if int(source.sizes.prod(axis=1).sum()) * source.channels > _HASHED_BYTES:
        return None
    names = [f"{split}[{index}]" for split, count in data.splits.items() for index in range(count)]
    count = next(iter(data.splits.values()))
    pairs = list(zip(source.digests(), names, strict=True))
    trained = dict(pairs[:count])
    return [(trained[digest], name) for digest, name in pairs[count:] if digest in trained]


def _narrow_ranges(data: ImageData, sixteen_bit: SixteenBit) -> list[str]:
    notes = []
    grey, colour = data.value_range, data.facts.get("deep_colour")
    if sixteen_bit is None and grey is not None and grey[1] - grey[0] < _NARROW:
        notes.append(
            f"16-bit images hold values of {_range(grey)}, of which the high byte keeps "
            f"{_levels(grey)}; --set input.sixteen_bit=full_range keeps up to 256"
        )
    if colour is not None and colour[1] - colour[0] < _NARROW:
        notes.append(
            f"16-bit colour images hold values of {_range(colour)}, of which {_levels(colour)} are "
            "kept (their high byte); save them as 8-bit images scaled to 0..255"
        )
    return notes


def _range(bounds: Sequence[int]) -> str:
    return f"{bounds[0]:,} to {bounds[1]:,} out of 65,535"


def _levels(bounds: Sequence[int]) -> str:
    levels = (bounds[1] >> 8) - (bounds[0] >> 8) + 1
    return counted(levels, "level")


def _ignored_links(data: ImageData) -> list[str]:
    links = data.facts.get("ignored_links", ())
    if not links:
        return []
    number = counted(len(links), "link to a folder was", "links to folders were")
    return [
        f"{number} not followed, as another class, a folder above it, or a folder read before "
        f"lies there: {first_few(links, _LISTED)}"
    ]


def _shared_images(data: ImageData) -> list[str]:
    pairs = shared_images(data)
    first = next(iter(data.splits))
    if pairs is None:
        return [f"not checked whether images of {first} are also in another split"]
    if not pairs:
        return []
    named = first_few([f"{other} = {trained}" for trained, other in pairs], _LISTED)
    return [
        f"{counted(len(pairs), 'image')} outside {first} "
        f"{'equals' if len(pairs) == 1 else 'equal'} one in {first} pixel by pixel, which does "
        f"not show how well new images are classified: {named}"
    ]


def _lacking_classes(data: ImageData) -> list[str]:
    notes = []
    for split in data.splits:
        labels = data.split(split).labels
        counts = np.bincount(labels[labels >= 0], minlength=len(data.classes))
        lacking = [name for name, count in zip(data.classes, counts, strict=True) if not count]
        if lacking and len(lacking) < len(data.classes):
            notes.append(f"{split} has no images of {first_few(lacking, _LISTED)}")
    return notes
