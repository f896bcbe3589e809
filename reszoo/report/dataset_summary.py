"""Summary of a data set: splits, classes, image sizes and broken files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reszoo.report.text import facts, table

if TYPE_CHECKING:
    from reszoo.data.previews.describe import Description

_MAX_BROKEN = 20
"""Broken files that are listed; the rest are counted."""


def dataset_text(description: Description) -> str:
    """Returns splits, classes, sizes, forms, broken files and notes."""
    total = sum(description.splits.values())
    lines = [
        ("data", description.name),
        ("splits", _counts(description.splits)),
        ("classes", str(len(description.classes))),
        ("channels", str(description.channels)),
        ("heights", str(description.heights)),
        ("widths", str(description.widths)),
        ("forms", _counts(description.forms)),
    ]
    if description.measured < total:
        lines.append(("measured", f"{description.measured:,} of {total:,} images"))
    sections = [facts(lines), _classes(description)]
    if description.broken:
        sections.append(_broken(description))
    sections += [f"note: {note}" for note in description.notes()]
    return "\n\n".join(sections)


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def _classes(description: Description) -> str:
    splits = list(description.splits)
    rows = [
        (name, *(f"{description.counts[split][name]:,}" for split in splits))
        for name in description.classes
    ]
    return table(("class", *splits), rows, "l" + "r" * len(splits))


def _broken(description: Description) -> str:
    rows = list(description.broken[:_MAX_BROKEN])
    if more := len(description.broken) - len(rows):
        rows.append((f"and {more:,} more", ""))
    return table(("broken file", "why"), rows, "ll")
