"""The zoo as a table: networks with their cost and published accuracy."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from reszoo.errors import UserError, did_you_mean
from reszoo.planning.golden import known_cost
from reszoo.report.text import MISSING, format_bytes, format_shape, format_si, table
from reszoo.spec import DocumentReader, families, family_of, names_of, resolve
from reszoo.spec.architecture import Architecture

_HEADER = ("name", "family", "input", "parameters", "multiply-adds", "int8", "top-1 %", "from")


def zoo_entries(pattern: str | None = None, family: str | None = None) -> list[dict[str, Any]]:
    """Returns the zoo's networks, sorted by family and number of parameters.

    A pattern is part of a name, or a shell pattern such as `resnet*`.

    Raises:
      UserError: nothing matches.
    """
    if family is not None and family not in families():
        raise UserError(
            f"there is no family '{family}'",
            expected=", ".join(families()),
            hint=did_you_mean(family, families()) or "write one of these, or leave out --family",
        )
    read = DocumentReader("architecture")
    entries = [
        _entry(name, read)
        for name in _matching(pattern)
        if family is None or family_of(name) == family
    ]
    if not entries:
        raise UserError(
            f"the family {family} has no network like '{pattern}'",
            hint="leave out --family, or the pattern",
        )
    order = list(families())
    return sorted(entries, key=lambda entry: (order.index(entry["family"]), entry["parameters"]))


def zoo_table(entries: Sequence[dict[str, Any]]) -> str:
    """Returns the entries as aligned columns."""
    rows = [
        (
            entry["name"],
            entry["family"],
            format_shape(entry["input"]),
            format(entry["parameters"], ","),
            format_si(entry["macs"]),
            format_bytes(entry["weight_bytes_int8"]),
            MISSING if entry["top1"] is None else f"{entry['top1']:.2f}",
            entry["where"] or MISSING,
        )
        for entry in entries
    ]
    return table(_HEADER, rows, "lllrrrrl")


def as_glob(pattern: str) -> str:
    """Returns a shell pattern unchanged, and a word as the pattern of what contains it."""
    return pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"


def _matching(pattern: str | None) -> list[str]:
    names = names_of("architecture")
    if pattern is None:
        return names
    matches = fnmatch.filter(names, as_glob(pattern))
    if not matches:
        hint = did_you_mean(pattern, names) or "`reszoo list` shows all"
        raise UserError(f"no network in the zoo is like '{pattern}'", hint=hint)
    return matches


def _entry(name: str, read: DocumentReader) -> dict[str, Any]:
    resolved = resolve(name, read=read)
    spec = cast("Architecture", resolved.document)
    return {
        "name": name,
        "title": spec.title,
        "family": Path(resolved.file).parent.name,
        "input": list(spec.input.shape),
        "classes": spec.classes,
        **asdict(known_cost(spec)),
        **{name: getattr(spec.published, name, None) for name in ("top1", "top5", "where")},
    }
