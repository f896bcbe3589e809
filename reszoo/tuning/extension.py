"""Extension of a search: a page with more choices, trials or iterations continues its folder.

The trials of the folder become the first ones of the new page, whatever order its candidates have,
so that their rows stay and count; the strategy proposes the others from the larger space.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.recipe import Recipe
from reszoo.tuning.initial_candidates import candidate_from_values, find_candidate
from reszoo.tuning.open_search import resolve_held, write_search
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_changes import space_changes, value_changes
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_identity import (
    KEPT,
    identity_of,
    read_identity,
    with_recorded,
)
from reszoo.tuning.space import Candidate


def extend_folder(path: Path, resolved: ResolvedSearch, data: Mapping[str, Any]) -> None:
    """Puts an extended page into the place of the one that a search folder holds.

    `data` has the name, the classes and the options of the data.

    Raises:
      UserError: there is no search, or the page changes more than an extension does; the message
        says what.
    """
    if not (path / "search.json").is_file():
        raise UserError(
            f"{path} holds no search to extend",
            expected="a folder that `reszoo tune` created",
            hint="leave out --extend to begin the search, or name its folder with -o",
        )
    folder = SearchFolder(path)
    with folder.lock():
        folder.wait_for_training()
        before = read_identity(path)
        held = resolve_held(path, before)
        if held is None:
            raise UserError(
                f"the search in {path} cannot be read, so it cannot be extended",
                where=str(path / "search.yaml"),
                hint="choose another folder with -o; the runs in trials/ can still be used",
            )
        candidates = _tried(folder, held)
        if changes := list(other_changes(held, before, resolved, data)):
            raise UserError(
                f"the page is no extension of the search in {path}",
                where=resolved.search.where(),
                expected="the same page with more choices, trials or iterations",
                found="; ".join(changes),
                hint="undo these changes, or search the new page in another folder with -o",
            )
        labels = [held.space.changes(candidate) for candidate in candidates]
        recorded = [candidate_from_values(resolved.space, each, None) for each in labels]
        extended = with_recorded(resolved, recorded)
        kept = {key: before[key] for key in KEPT if key in before}
        identity = identity_of(extended, data) | kept | {"extended": len(recorded)}
        write_search(path, extended, identity)


def other_changes(
    held: ResolvedSearch,
    before: Mapping[str, Any],
    resolved: ResolvedSearch,
    data: Mapping[str, Any],
) -> Iterator[str]:
    """Yields a phrase for each change of a page that is no extension of the held one.

    `before` is the identity in the folder, whose budget counts.
    """
    old = identity_of(held, before["data"]) | {"budget": before["budget"]}
    new = identity_of(resolved, data)
    for key, value in new.items():
        if key == "space":
            yield from space_changes(old[key], value)
        elif key == "start_from":
            if any(start not in value for start in _starts(held)):
                yield "start_from lacks candidates that it had"
        elif key == "budget":
            if value < old[key]:
                yield f"trials: {value} instead of {old[key]}"
        elif key != "format_version" and old[key] != value:
            yield from value_changes(key, old[key], value)


def _starts(held: ResolvedSearch) -> list[Any]:
    """Returns the initial candidates of a page itself, as plain values."""
    starts = held.initial_candidates[held.recorded :]
    values: list[Any] = json.loads(json.dumps([held.space.changes(start) for start in starts]))
    return values


def _tried(folder: SearchFolder, held: ResolvedSearch) -> list[Candidate]:
    """Returns the candidates of all trials that were recorded or have begun, by their numbers."""
    changes = {
        record.trial: record.changes for record in folder.records() if record.kind == "trial"
    }
    candidates = folder.path / "candidates"
    files = {path.stem: path for path in candidates.glob("[0-9]*.yaml") if path.stem.isdigit()}
    last = max([*changes, *map(int, files)], default=0)
    tried = []
    for trial in range(1, last + 1):
        candidate = None
        if trial in changes:
            where = str(folder.trial_log)
            candidate = candidate_from_values(held.space, changes[trial], where)
        elif (file := files.get(f"{trial:04d}")) is not None:
            own = file.with_name(f"{file.stem}.recipe.yaml")
            recipe: Recipe = spec.load_recipe(str(own)) if own.is_file() else held.recipe
            candidate = find_candidate(held.space, spec.load(file), recipe)
        if candidate is None:
            raise UserError(
                f"trial {trial} has no row and no network, so the search cannot be extended",
                where=str(candidates / f"{trial:04d}.yaml"),
                hint="resume the search without --extend first",
            )
        tried.append(candidate)
    return tried
