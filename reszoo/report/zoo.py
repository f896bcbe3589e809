"""The zoo as a table: what there is, what it costs, how well it is known to do."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reszoo.errors import UserError, did_you_mean
from reszoo.planning.golden import known_cost
from reszoo.report.text import MISSING, count, shape, short, size, table
from reszoo.spec import architecture_names, families, family_of, load

_HEADER = ("name", "family", "input", "parameters", "multiply-adds", "int8", "top-1 %", "from")


def zoo_entries(pattern: str | None = None, family: str | None = None) -> list[dict[str, Any]]:
    """What the zoo holds, by family and then from small to large.

    Args:
      pattern: part of a name, or a shell pattern such as `resnet*`.
      family: only this family.

    Raises:
      UserError: nothing matches.
    """
    if family is not None and family not in families():
        raise UserError(
            f"there is no family '{family}'",
            expected=", ".join(families()),
            hint=did_you_mean(family, families()),
        )
    entries = [
        _entry(name) for name in _matching(pattern) if family is None or family_of(name) == family
    ]
    if not entries:
        raise UserError(f"the family {family} has no network like '{pattern}'")
    order = list(families())
    return sorted(entries, key=lambda entry: (order.index(entry["family"]), entry["parameters"]))


def zoo_table(entries: Sequence[dict[str, Any]]) -> str:
    """The entries as aligned columns."""
    rows = [
        (
            entry["name"],
            entry["family"],
            shape(entry["input"]),
            count(entry["parameters"]),
            short(entry["macs"]),
            size(entry["weight_bytes_int8"]),
            MISSING if entry["top1"] is None else f"{entry['top1']:.2f}",
            entry["where"] or MISSING,
        )
        for entry in entries
    ]
    return table(_HEADER, rows, "lllrrrrl")


def _matching(pattern: str | None) -> list[str]:
    names = architecture_names()
    if pattern is None:
        return names
    glob = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    found = [name for name in names if fnmatch.fnmatchcase(name, glob)]
    if not found:
        hint = did_you_mean(pattern, names) or "`reszoo list` shows all"
        raise UserError(f"no network in the zoo is like '{pattern}'", hint=hint)
    return found


def _entry(name: str) -> dict[str, Any]:
    spec = load(name)
    published = spec.published
    return {
        "name": name,
        "title": spec.title,
        "family": family_of(name),
        "input": list(spec.input.shape),
        "classes": spec.classes,
        **asdict(known_cost(spec)),
        "top1": published.top1 if published else None,
        "top5": published.top5 if published else None,
        "where": published.where if published else None,
    }
