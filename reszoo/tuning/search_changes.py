"""Phrases for what differs between two searches, by their identities."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PHRASES = 3
"""Differences that `differences` tells; more are counted."""


def space_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], *, added: bool = False
) -> Iterator[str]:
    """Yields a phrase for each field and choice that a space lacks; for added ones if `added`."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"space: {name} is no longer searched"
        elif name not in old:
            yield f"space: {name} was not searched"
        elif missing := [label for label in old[name] if label not in new[name]]:
            yield f"space: {name} lacks {', '.join(map(short, missing))}"
        elif added and (more := [label for label in new[name] if label not in old[name]]):
            yield f"space: {name} has also {', '.join(map(short, more))}"


def value_changes(key: str, old: Any, new: Any) -> Iterator[str]:
    """Yields a phrase for each value that differs, by its path below a key."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for inner in sorted(old.keys() | new.keys()):
            if old.get(inner) != new.get(inner):
                yield from value_changes(f"{key}.{inner}", old.get(inner), new.get(inner))
    else:
        yield f"{key}: {short(new)} instead of {short(old)}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Returns a phrase for each of the first differences of two identities in some keys."""
    phrases: list[str] = []
    for key in keys:
        if key == "space":
            phrases += space_changes(old[key], new[key], added=True)
        else:
            phrases += value_changes(key, old.get(key), new[key])
    more = len(phrases) - _PHRASES
    return "; ".join(phrases[:_PHRASES]) + (f"; and {more} more" if more > 0 else "")


def short(value: Any) -> str:
    """Returns a value as JSON of at most 80 characters."""
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
