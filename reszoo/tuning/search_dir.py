"""The search folder: what a search leaves behind, and all that it needs to go on after a kill.

search.json      which search this is: data, seed, and everything that its proposals depend on
search.yaml      the search, resolved; base.yaml and recipe.yaml stand beside it
candidates/      the network of each trial as a spec
trials/          each trial's training, an ordinary run folder
logs/            what each training printed
trials.jsonl     one whole line per trial and rung
best.yaml        the best network so far, ready for `reszoo train`
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.atomic_files import append_line, atomic_folder, write_json, write_text
from reszoo.errors import UserError
from reszoo.runs.jsonl import read_lines, write_lines
from reszoo.runs.lock import hold_lock
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.tuning.hyperband import DEFAULT_FACTOR
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.space import plain
from reszoo.tuning.trial_log import TrialJob, TrialRecord

FORMAT = "reszoo search"
FORMAT_VERSION = 1
DEFAULT_FOLDER = Path("searches")


class SearchFolder:
    """A search folder, typed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def recipe_path(self) -> Path:
        """The recipe of every trial."""
        return self.path / "recipe.yaml"

    @property
    def trials(self) -> Path:
        """The folder of run folders."""
        return self.path / "trials"

    @property
    def best_path(self) -> Path:
        """The best network as a spec, once a trial has finished."""
        return self.path / "best.yaml"

    def run_path(self, trial: int) -> Path:
        """The run folder of a trial."""
        return self.trials / f"{trial:04d}"

    def log_path(self, trial: int) -> Path:
        """What the training of a trial printed."""
        return self.path / "logs" / f"{trial:04d}.txt"

    def rows(self) -> list[TrialRecord]:
        """The lines of trials.jsonl, oldest first.

        Raises:
          UserError: a line is not one that a search writes.
        """
        log = self.path / "trials.jsonl"
        try:
            return [TrialRecord.from_json(line) for line in read_lines(log)]
        except TypeError as error:
            raise UserError(
                "the log of trials is damaged", where=str(log), found=str(error)
            ) from None

    def append(self, row: TrialRecord) -> None:
        """Adds a line to trials.jsonl."""
        append_line(self.path / "trials.jsonl", json.dumps(row.to_json(), allow_nan=False))

    def drop_half_line(self) -> None:
        """Takes away a last line that a power cut left half written."""
        log = self.path / "trials.jsonl"
        if log.exists() and not log.read_bytes().endswith(b"\n"):
            write_lines(log, read_lines(log))

    def write_candidate(self, job: TrialJob) -> Path:
        """Writes the network of a trial as a spec, and says where."""
        path = self.path / "candidates" / f"{job.trial:04d}.yaml"
        if not path.exists():
            write_text(path, spec.to_yaml(job.architecture))
        return path

    def write_best(self, architecture: Architecture, row: TrialRecord) -> None:
        """Writes the best network as a spec that says where it comes from."""
        comment = f"trial {row.trial:04d}: val_accuracy {row.val_accuracy:.4f}, epochs {row.epochs}"
        write_text(self.best_path, spec.to_yaml(architecture, {("name",): comment}))

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Holds the folder for this process.

        Raises:
          UserError: another process holds it.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(hold_lock(self.path))
            except UserError as error:
                raise UserError(
                    f"a search is running in {self.path}",
                    found=error.found,
                    hint="wait for it to end, or choose another folder with -o",
                ) from None
            yield

    def wait_for_training(self, seconds: float = 60.0) -> None:
        """Waits until the training that a killed search left behind has stopped; it does by itself.

        Raises:
          UserError: it has not after `seconds`.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                with hold_lock(self.trials):
                    return
            except UserError as error:
                if time.monotonic() > until:
                    raise UserError(
                        f"a training of an earlier search is still running in {self.trials}",
                        found=error.found,
                        hint="stop that process, then run the search again",
                    ) from None
            time.sleep(0.2)


def open_folder(path: Path, setup: ResolvedSearch, data: Mapping[str, Any]) -> SearchFolder:
    """The folder of a search: made if there is none, else checked to be of this very search.

    Args:
      path: where it is or will be.
      setup: the search.
      data: the data's word, classes and options.

    Raises:
      UserError: the folder holds another search, or something else.
    """
    identity = identity_of(setup, data)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        _create(path, setup, identity)
        return SearchFolder(path)
    before = read_identity(path)
    _refuse_other_search(path, before, identity)
    if before != identity:
        write_text(path / "search.yaml", spec.to_yaml(_self_contained(setup)))
        write_json(path / "search.json", identity)
    return SearchFolder(path)


def read_identity(path: Path) -> dict[str, Any]:
    """search.json of a folder.

    Raises:
      UserError: it is no search folder, or it is damaged or from a newer reszoo.
    """
    file = path / "search.json"
    if not file.is_file():
        raise UserError(
            f"{path} is not a search folder",
            expected="an empty or new folder, or one that `reszoo tune` made",
            found=_contents(path),
            hint="choose another folder with -o",
        )
    try:
        identity = json.loads(file.read_text(encoding="utf-8"))
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


def identity_of(setup: ResolvedSearch, data: Mapping[str, Any]) -> dict[str, Any]:
    """All that the proposals and the trainings of a search depend on, as plain values."""
    strategy = setup.search.strategy
    base = spec.to_mapping(setup.space.base)
    for field in ("name", "title", "source", "published", "weights"):
        base.pop(field, None)
    identity = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "data": dict(data),
        "seed": setup.search.seed,
        "base": base,
        "recipe": spec.to_mapping(setup.recipe),
        "space": {one.name: one.labels for one in setup.space.dimensions},
        "limits": setup.judge.limits,
        "strategy": [strategy.kind, strategy.factor or DEFAULT_FACTOR],
        "start_from": [setup.space.changes(candidate) for candidate in setup.start],
        "objective": setup.search.objective,
        # May grow when a search is run again: the candidates before stay as they were.
        "budget": setup.planned,
    }
    # As it is read back: tuples are lists and all keys are text.
    return dict(json.loads(json.dumps(plain(identity))))


def _create(path: Path, setup: ResolvedSearch, identity: Mapping[str, Any]) -> None:
    with atomic_folder(path) as folder:
        write_text(folder / "search.yaml", spec.to_yaml(_self_contained(setup)))
        write_text(folder / "base.yaml", spec.to_yaml(setup.space.base))
        write_text(folder / "recipe.yaml", spec.to_yaml(setup.recipe))
        write_json(folder / "search.json", identity)
        for name in ("candidates", "trials", "logs"):
            (folder / name).mkdir()


def _self_contained(setup: ResolvedSearch) -> Search:
    """The search with the files beside it in its folder, whatever becomes of the zoo."""
    return setup.search.model_copy(
        update={
            "base": "./base.yaml",
            "recipe": "./recipe.yaml",
            "recipe_overrides": {},
            "start_from": tuple(plain(setup.space.changes(one)) for one in setup.start),
        }
    )


def _refuse_other_search(
    path: Path, before: Mapping[str, Any], identity: Mapping[str, Any]
) -> None:
    different = [
        key for key in identity if key != "budget" and before.get(key) != identity.get(key)
    ]
    if different:
        key = different[0]
        raise UserError(
            f"{path} holds another search: it differs in {', '.join(different)}",
            expected=f"{key} {_short(before.get(key))}",
            found=f"{key} {_short(identity[key])}",
            hint="choose another folder with -o, or run the search as it was to go on with it",
        )
    if identity["budget"] < before["budget"]:
        raise UserError(
            f"{path} holds a search of more trials",
            expected=f"{before['budget']} or more",
            found=str(identity["budget"]),
            hint="a search can be run on with more trials or iterations, not with fewer",
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _contents(path: Path) -> str:
    if not path.is_dir():
        return "a file"
    names = sorted(entry.name for entry in path.iterdir())
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
