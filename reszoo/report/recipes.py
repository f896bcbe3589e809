"""The recipes as a table, and one of them in words: what it trains, how long, from whom it is."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from reszoo.errors import UserError, did_you_mean
from reszoo.report.network_summary import values_text
from reszoo.report.text import MISSING, facts, table
from reszoo.spec import ResolvedDocument, load_recipe, recipe_names
from reszoo.spec.recipe import Recipe

_SHOWN = 3
"""Nets of one recipe that the table names."""
_HEADER = ("name", "epochs", "batch", "optimizer", "nets, top-1 %", "source")


def recipe_entries(pattern: str | None = None) -> list[dict[str, Any]]:
    """What recipes there are.

    Args:
      pattern: part of the name of a recipe or of a net it was published for, or a shell pattern.

    Raises:
      UserError: nothing matches.
    """
    entries = [_entry(load_recipe(name)) for name in recipe_names()]
    if pattern is None:
        return entries
    glob = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    found = [
        entry for entry in entries if fnmatch.filter([entry["name"], *entry["published"]], glob)
    ]
    if not found:
        hint = did_you_mean(pattern, recipe_names()) or "`reszoo list --recipes` shows all"
        raise UserError(f"no recipe is like '{pattern}', nor a net of one", hint=hint)
    return found


def recipe_table(entries: Sequence[dict[str, Any]]) -> str:
    """The entries as aligned columns."""
    rows = [
        (
            entry["name"],
            str(entry["epochs"]),
            str(entry["batch"]),
            entry["optimizer"],
            _nets(entry["published"]),
            entry["source"] or MISSING,
        )
        for entry in entries
    ]
    return table(_HEADER, rows, "lrrlll")


def recipe_text(resolved: ResolvedDocument, recipe: Recipe) -> str:
    """All that `reszoo show --recipe` tells: heading, nets, values with their origins."""
    heading = [f"{recipe.name}: {recipe.title}" if recipe.title else recipe.name]
    if recipe.source:
        heading.append(f"  {recipe.source}")
    nets = facts([(net, _accuracy(top1)) for net, top1 in recipe.published.items()])
    values = (
        f"# Every value, and where it stands: `line` is in {resolved.file};\n"
        "# without a remark it is the default.\n" + values_text(resolved, recipe).rstrip()
    )
    return "\n\n".join(part for part in ("\n".join(heading), nets, values) if part)


def _entry(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "title": recipe.title,
        "source": recipe.source,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "optimizer": recipe.optimizer.kind,
        "published": recipe.published,
    }


def _nets(published: dict[str, float | None]) -> str:
    """The most accurate nets and how many there are besides."""
    ranked = sorted(published.items(), key=lambda one: -(one[1] or 0.0))
    shown = [net if top1 is None else f"{net} {top1:.2f}" for net, top1 in ranked[:_SHOWN]]
    if more := len(ranked) - len(shown):
        shown.append(f"and {more} more")
    return ", ".join(shown) or MISSING


def _accuracy(top1: float | None) -> str:
    return "no accuracy published" if top1 is None else f"top-1 {top1:.2f} %, as published"
