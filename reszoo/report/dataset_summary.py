"""What is in a data set, told before anyone trains on it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.report.text import count, facts, table

if TYPE_CHECKING:
    from reszoo.data.previews.describe import Description

_MOST_BROKEN = 20
"""Broken files that are named; the rest are counted."""


def dataset_text(description: Description) -> str:
    """Splits, classes, sizes, forms, and what a person should know."""
    lines = [
        ("data", description.name),
        ("splits", ", ".join(f"{name} {count(n)}" for name, n in description.splits.items())),
        ("classes", str(len(description.classes))),
        ("channels", str(description.channels)),
        ("heights", str(description.heights)),
        ("widths", str(description.widths)),
        ("forms", ", ".join(f"{form} {count(n)}" for form, n in description.forms.items())),
    ]
    total = sum(description.splits.values())
    if description.measured < total:
        lines.append(("measured", f"{count(description.measured)} of {count(total)} images"))
    sections = [facts(lines), _classes(description)]
    if description.broken:
        sections.append(_broken(description))
    sections += [f"note: {note}" for note in description.notes()]
    return "\n\n".join(sections)


def _classes(description: Description) -> str:
    splits = list(description.splits)
    rows = [
        (name, *(count(description.counts[split][name]) for split in splits))
        for name in description.classes
    ]
    return table(("class", *splits), rows, "l" + "r" * len(splits))


def _broken(description: Description) -> str:
    rows = list(description.broken[:_MOST_BROKEN])
    if more := len(description.broken) - len(rows):
        rows.append((f"and {count(more)} more", ""))
    return table(("broken file", "why"), rows, "ll")
