"""The identity of a search, search.json: everything that its proposals and trainings depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import UserError
from reszoo.json_text import parse_json
from reszoo.runs.run_dir import contents
from reszoo.spec.search import Search
from reszoo.spec.search_strategy import BATCHED
from reszoo.training.teacher_record import TEACHERS
from reszoo.tuning.dimensions import DESCRIPTIVE
from reszoo.tuning.hyperband import DEFAULT_FACTOR
from reszoo.tuning.initial_candidates import candidate_from_values
from reszoo.tuning.measured_limits import limits_measured
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_changes import differences
from reszoo.tuning.searched_paths import plain
from reszoo.tuning.space import Candidate

FORMAT = "reszoo search"
FORMAT_VERSION = 2
"""Searches whose candidates are drawn as version 0.1 drew them say 1."""
KEPT = ("threads", "recipe_epochs", "extended", TEACHERS)
"""Keys of search.json that say nothing about whether two searches are the same."""


def read_identity(path: Path) -> dict[str, Any]:
    """Returns the search.json of a folder, checked to be one that this reszoo can read."""
    file = path / "search.json"
    if not file.is_file():
        raise UserError(
            f"{path} is not a search folder",
            expected="an empty or new folder, or one that `reszoo tune` created",
            found=contents(path),
            hint="choose another folder with -o",
        )
    try:
        identity = parse_json(file.read_bytes())
        known = identity["format"] == FORMAT and identity["format_version"] <= FORMAT_VERSION
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} is damaged",
            expected="JSON as `reszoo tune` writes it",
            found=str(error),
            hint="choose another folder with -o; the runs in trials/ can still be used",
        ) from None
    if not known:
        raise UserError(
            f"{file} was written in a format that this reszoo does not know",
            hint="install a newer reszoo",
        )
    return dict(identity)


def identity_of(resolved: ResolvedSearch, data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns everything that a search's proposals and trainings depend on, as plain values."""
    strategy = resolved.search.strategy
    batch = [resolved.batch] if strategy.kind in BATCHED else []
    goals = resolved.search.goals
    base = spec.to_mapping(resolved.space.base).items()
    identity = {
        "format": FORMAT,
        "format_version": 1 if resolved.is_drawn_as_before else FORMAT_VERSION,
        "data": dict(data),
        "seed": resolved.search.seed,
        "base": {key: value for key, value in base if key not in ("name", *DESCRIPTIVE)},
        "recipe": spec.to_mapping(resolved.recipe),
        "space": {dimension.name: dimension.labels for dimension in resolved.space.dimensions},
        "limits": _limits(resolved),
        "constraints": _orders_and_constraints(resolved.search),
        "strategy": [strategy.kind, strategy.factor or DEFAULT_FACTOR, *batch],
        "start_from": [resolved.space.changes(start) for start in resolved.initial_candidates],
        "objective": next(iter(goals)) if len(goals) == 1 else dict(goals),
        # May grow when a search runs again: the earlier candidates stay the same.
        "budget": resolved.planned,
    }
    # As read back from JSON: tuples become lists, and keys strings.
    return dict(json.loads(json.dumps(plain(identity))))


def _limits(resolved: ResolvedSearch) -> dict[str, Any]:
    """Returns all limits, with the target's own in place of its name."""
    limits = resolved.constraints.limits | limits_measured(resolved.search.limits)
    return (
        limits
        if resolved.target is None
        else {**limits, "target": spec.to_mapping(resolved.target)}
    )


def _orders_and_constraints(search: Search) -> list[str]:
    orders = [f"{key} is {item.order}" for key, item in search.space.items() if item.order]
    return [*orders, *search.constraints]


def continue_extended(resolved: ResolvedSearch, identity: Mapping[str, Any]) -> ResolvedSearch:
    """Returns a search that tries first what its folder had tried before it was extended.

    A search that lacks one of these candidates stays as it is.
    """
    count = identity.get("extended", 0)
    try:
        candidates = [
            candidate_from_values(resolved.space, changes, None)
            for changes in identity["start_from"][:count]
        ]
    except UserError:
        return resolved
    return with_recorded(resolved, candidates) if candidates else resolved


def with_recorded(resolved: ResolvedSearch, candidates: Sequence[Candidate]) -> ResolvedSearch:
    """Returns a search whose first trials are these candidates, in their order."""
    initial = tuple(dict.fromkeys((*candidates, *resolved.initial_candidates)))
    return replace(resolved, initial_candidates=initial, recorded=len(candidates))


def refuse_other_search(
    path: Path, before: Mapping[str, Any], identity: Mapping[str, Any], name: str | None
) -> None:
    """Raises UserError where a folder holds another search than the one that was asked for.

    `name` is that of the search in the folder, if it can be read.
    """
    before = {"constraints": [], **before}
    different = [key for key in identity if key != "budget" and before.get(key) != identity[key]]
    if different == ["format_version"] and before["format_version"] == 1:
        raise UserError(
            f"{path} holds a search of version 0.1, which drew so many candidates in another order",
            expected="a search folder of this version",
            found="format_version 1",
            hint="choose another folder with -o; the runs in trials/ can still be used",
        )
    different = [key for key in different if key != "format_version"]
    if different:
        raise UserError(
            f"{path} holds another search: it differs in {', '.join(different)}",
            expected=f"the search {name} as it is in the folder" if name else None,
            found=differences(before, identity, different),
            hint="choose another folder with -o, or run the search unchanged to resume it",
        )
    if identity["budget"] < before["budget"]:
        raise UserError(
            f"{path} holds a search of more trials",
            expected=f"{before['budget']} or more",
            found=str(identity["budget"]),
            hint="a search can be resumed with more trials or iterations, not with fewer",
        )
