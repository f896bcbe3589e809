"""Opening a search folder: creates it, resumes its search, or refuses another search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.atomic_files import atomic_folder, recover_all, write_json, write_text
from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.tuning.further_jobs import reference_jobs
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from reszoo.tuning.search_changes import differences
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_identity import (
    KEPT,
    continue_extended,
    identity_of,
    read_identity,
    refuse_other_search,
)
from reszoo.tuning.searched_paths import plain

REFERENCES = Path("references")
_SUBFOLDERS = ("candidates", "trials", "logs")


def open_search_folder(
    path: Path, resolved: ResolvedSearch, data: Mapping[str, Any]
) -> SearchFolder:
    """Creates the folder of a search, or checks that an existing one is of the same search.

    `data` has the name, the classes and the options of the data.
    """
    identity = identity_of(resolved, data)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        _create(path, resolved, identity | {"recipe_epochs": resolved.recipe_epochs})
        return SearchFolder(path)
    before = read_identity(path)
    identity |= {key: before[key] for key in KEPT if key in before}
    held = resolve_held(path, before)
    before = _read_again(held, before)
    refuse_other_search(path, before, identity, held.search.name if held else None)
    for place in (path, path / "candidates"):
        recover_all(place)
    for name in _SUBFOLDERS:  # Git keeps no empty ones.
        (path / name).mkdir(exist_ok=True)
    text = spec.to_yaml(_self_contained(resolved))
    if before != identity or (path / "search.yaml").read_text(encoding="utf-8") != text:
        write_search(path, resolved, identity)
    return SearchFolder(path)


def write_search(path: Path, resolved: ResolvedSearch, identity: Mapping[str, Any]) -> None:
    """Writes a search with its identity into its folder, in place of an earlier page of it."""
    _write_references(path, resolved)
    write_text(path / "search.yaml", spec.to_yaml(_self_contained(resolved)))
    write_json(path / "search.json", identity)


def continue_folder(path: Path, resolved: ResolvedSearch) -> ResolvedSearch:
    """Returns a search that first tries what its folder had tried before it was extended, if so."""
    if not (path / "search.json").is_file():
        return resolved
    return continue_extended(resolved, read_identity(path))


def held_search(
    path: Path, resolved: ResolvedSearch, data: Mapping[str, Any]
) -> tuple[ResolvedSearch, str | None]:
    """Returns the search that a folder holds, and what differs in the page that was named.

    Returns the named one and None where there is no folder, where both are the same but for
    more trials, and where the folder holds a search of another name, on other data or with another
    seed, which `open_search_folder` refuses.
    """
    if not (path / "search.json").is_file():
        return resolved, None
    before = read_identity(path)
    held = resolve_held(path, before)
    if (
        held is None
        or held.search.name != resolved.search.name
        or before["seed"] != resolved.search.seed
        or before["data"] != json.loads(json.dumps(dict(data)))
    ):
        return resolved, None
    identity, kept = identity_of(resolved, data), identity_of(held, data)
    different = [
        key
        for key, value in identity.items()
        if key not in ("budget", "format_version") and kept[key] != value
    ]
    if not different:
        return resolved, None
    return held, f"{', '.join(different)} ({differences(kept, identity, different)})"


def resolve_held(path: Path, before: Mapping[str, Any]) -> ResolvedSearch | None:
    """Returns the search in a folder as today's loader reads it; None if it cannot be read."""
    try:
        held = resolve_search(
            path / "search.yaml", classes=before["data"].get("classes"), seed=before["seed"]
        )
        return continue_extended(held, before)
    except (UserError, KeyError, AttributeError, OSError):
        return None


def _read_again(held: ResolvedSearch | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an identity in which fields that an old folder lacks have their defaults."""
    if held is None:
        return dict(before)
    kept = {key: before[key] for key in ("format_version", "budget", *KEPT) if key in before}
    return {**identity_of(held, before["data"]), **kept}


def _create(path: Path, resolved: ResolvedSearch, identity: Mapping[str, Any]) -> None:
    with atomic_folder(path) as folder:
        write_text(folder / "search.yaml", spec.to_yaml(_self_contained(resolved)))
        write_text(folder / "base.yaml", spec.to_yaml(resolved.space.base))
        write_text(folder / "recipe.yaml", spec.to_yaml(resolved.recipe))
        if resolved.search.limits.target is not None and resolved.target is not None:
            write_text(folder / "target.yaml", spec.to_yaml(resolved.target))
        _write_references(folder, resolved)
        write_json(folder / "search.json", identity)
        for name in _SUBFOLDERS:
            (folder / name).mkdir()


def _self_contained(resolved: ResolvedSearch) -> Search:
    """Returns the search with the files in its own folder, independent of the zoo."""
    starts = [plain(resolved.space.changes(start)) for start in resolved.initial_candidates]
    files = {"base": "./base.yaml", "recipe": "./recipe.yaml", "recipe_overrides": {}}
    references = tuple(f"./{path}" for path, _ in _references(resolved))
    files |= {"start_from": tuple(starts), "references": references}
    search = resolved.search.model_copy(update=files)
    if search.limits.target is None:
        return search
    limits = search.limits.model_copy(update={"target": "./target.yaml"})
    return search.model_copy(update={"limits": limits})


def _references(resolved: ResolvedSearch) -> list[tuple[Path, Architecture]]:
    """Returns the references of a search, each with its file in the search folder."""
    jobs = reference_jobs(resolved)
    return [(REFERENCES / f"{job.trial:04d}.yaml", job.architecture) for job in jobs]


def _write_references(folder: Path, resolved: ResolvedSearch) -> None:
    for path, architecture in _references(resolved):
        write_text(folder / path, spec.to_yaml(architecture))
