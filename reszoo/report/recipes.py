"""Recipes as a table, and one recipe with all its values."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from reszoo.errors import UserError, did_you_mean
from reszoo.report.network_summary import values_text
from reszoo.report.text import MISSING, facts, heading, table
from reszoo.report.zoo import as_glob
from reszoo.spec import ResolvedDocument, load_recipe, names_of
from reszoo.spec.recipe import Recipe

_MAX_NETS = 3
"""Nets of one recipe that the table names."""
_HEADER = ("name", "epochs", "batch", "optimizer", "nets, top-1 %", "source")


def recipe_entries(pattern: str | None = None) -> list[dict[str, Any]]:
    """Returns the recipes of the zoo, or those of them that match a shell pattern or a word.

    The name of a recipe, or of a net it was published for, matches a word that it contains.

    Raises:
      UserError: nothing matches.
    """
    entries = [_entry(load_recipe(name)) for name in names_of("recipe")]
    if pattern is None:
        return entries
    glob = as_glob(pattern)
    matches = [
        entry for entry in entries if fnmatch.filter([entry["name"], *entry["published"]], glob)
    ]
    if not matches:
        hint = did_you_mean(pattern, names_of("recipe")) or "`reszoo list --recipes` shows all"
        raise UserError(f"no recipe is like '{pattern}', nor a net of one", hint=hint)
    return matches


def recipe_table(entries: Sequence[dict[str, Any]]) -> str:
    """Returns the entries as aligned columns."""
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
    """Returns the text of `reszoo show --recipe`: heading, nets, values with their origins."""
    sections = [heading(recipe.name, recipe.title, recipe.source)]
    if recipe.published:
        sections.append(facts([(net, _accuracy(top1)) for net, top1 in recipe.published.items()]))
    return "\n\n".join([*sections, values_text(resolved, recipe)])


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
    """Returns the most accurate nets, and how many others there are."""
    ranked = sorted(published.items(), key=lambda item: -(item[1] or 0.0))
    nets = [net if top1 is None else f"{net} {top1:.2f}" for net, top1 in ranked[:_MAX_NETS]]
    if more := len(ranked) - len(nets):
        nets.append(f"and {more} more")
    return ", ".join(nets) or MISSING


def _accuracy(top1: float | None) -> str:
    return "no accuracy published" if top1 is None else f"top-1 {top1:.2f} %, as published"
