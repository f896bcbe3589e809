"""The facts of run.json: what a new run records, and how those of a run are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reszoo.errors import UserError, first_line
from reszoo.json_text import parse_json
from reszoo.path_hints import unreadable_hint
from reszoo.planning.cost import cost
from reszoo.regular_files import require_regular_file
from reszoo.runs.run_dir import contents
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.system_info import machine, versions

FORMAT = "reszoo run"
FORMAT_VERSION = 2
"""Of run.json. Version 2 has checkpoints in safetensors; version 1, of reszoo 0.1, is resumed."""
ENDED_EARLY = "ended_by_callback"
"""Key of run.json, present where a callback, or the recipe's early_stopping, ended the training
before its last epoch."""


def new_info(name: str, command: Sequence[str], seed: int) -> dict[str, Any]:
    """Returns the facts of a run that begins now, on this machine."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "state": "running",
        "command": list(command),
        "seed": seed,
        "created": timestamp(),
        "changed": timestamp(),
        "versions": versions(),
        "machine": machine(),
    }


def trained_facts(
    architecture: Architecture, recipe: Recipe, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns facts that tables of runs show, so that they are in run.json alone."""
    network = cost(architecture)
    return {
        "network": architecture.name,
        "data": data.get("name"),
        "recipe": recipe.name,
        "parameters": network.parameters,
        "macs": network.macs,
    }


def read_info(folder: Path) -> dict[str, Any]:
    """Returns the contents of run.json in a run folder.

    Raises:
      UserError: the folder is missing, no run, damaged, or from a newer reszoo.
    """
    if not folder.is_dir():
        raise _no_folder(folder)
    require_regular_file(folder / "run.json")
    if not (folder / "run.json").is_file():
        raise UserError(
            f"{folder} is not a run folder",
            expected="a folder with run.json, as `reszoo train` writes it",
            found=contents(folder),
            hint="name a folder that `reszoo train` wrote",
        )
    info = read_object(folder / "run.json")
    if info.get("format") != FORMAT:
        raise UserError(
            f"{folder / 'run.json'} does not describe a run of reszoo",
            hint="name a folder that `reszoo train` wrote",
        )
    if not isinstance(version := info.get("format_version"), int) or version > FORMAT_VERSION:
        raise UserError(
            f"{folder} was written in a format that this reszoo does not know",
            expected=f"format version {FORMAT_VERSION} or older",
            found=str(version),
            hint="install a newer reszoo",
        )
    return info


def _no_folder(path: Path) -> UserError:
    hint = "`reszoo train` creates one"
    if (path.parent / "run.json").is_file():
        hint = f"name its folder: {path.parent}"
    elif path.suffix == ".keras" and path.is_file():
        hint = f"`reszoo train --from {path}` makes a run of it"
    return UserError(
        f"there is no run folder {path}",
        expected="a folder with run.json, as `reszoo train` writes it",
        found="a file" if path.exists() else "nothing of this name",
        hint=hint,
    )


def read_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file of a run.

    Raises:
      UserError: the file is damaged, or cannot be read.
    """
    require_regular_file(path)
    try:
        value = parse_json(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"cannot read {path}", found=error.strerror, hint=unreadable_hint(error, path)
        ) from error
    except ValueError as error:
        raise damaged_file(path, "JSON", first_line(error)) from error
    if not isinstance(value, dict):
        raise damaged_file(path, "a JSON object", type(value).__name__)
    return value


def damaged_file(path: Path, expected: str, found: str) -> UserError:
    """Returns the error for a file of a run without what belongs there."""
    return UserError(
        f"{path} is damaged",
        expected=expected,
        found=found,
        hint="put the file back from a copy of the run, or train again",
    )


def timestamp() -> str:
    """Returns the present time as files record it: ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
