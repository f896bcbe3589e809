"""Counts and lists in messages."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Returns a count with its noun; the plural defaults to the noun with an s.

    >>> counted(1, "image"), counted(1200, "image"), counted(2, "class", "classes")
    ('1 image', '1,200 images', '2 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def first_few(names: Sequence[str], most: int) -> str:
    """Returns a list of names on one line, of which those after the first `most` are counted.

    >>> first_few(["a", "b"], 2), first_few(["a", "b", "c"], 2)
    ('a, b', 'a, b and 1 more')
    """
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
