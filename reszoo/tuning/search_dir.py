"""The search folder: everything that a search leaves behind and needs to resume after a kill.

search.json      the identity of the search: data, seed, everything that its proposals depend on
search.yaml      the search, resolved; what it names stands beside it: base.yaml, recipe.yaml,
                 target.yaml, references/
candidates/      the network of each trial as a spec
trials/          the run folder of each trial
logs/            what each training printed
trials.jsonl     one line per trial and rung, in the order of asking once a rung is done
timing.jsonl     what each training cost: seconds, host, attempts, memory
measured.jsonl   what the converted files of candidates cost, where a limit needs them
best.yaml        the best network so far, ready for `reszoo train`; best.recipe.yaml beside it if
                 fields of the recipe are searched
pareto/          the networks of the front of a search with several objectives
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.atomic_files import append_line, atomic_folder, recover_all, write_json, write_text
from reszoo.errors import UserError
from reszoo.json_text import parse_json
from reszoo.runs.jsonl import read_lines, read_valid_lines, write_lines
from reszoo.runs.lock import LOCK_NAME, hold_lock
from reszoo.runs.run_dir import contents
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.spec.search import Search
from reszoo.training.jobs.job_process import JOB_LOCKS
from reszoo.tuning.further_jobs import reference_jobs
from reszoo.tuning.hyperband import DEFAULT_FACTOR
from reszoo.tuning.measured_limits import limits_measured
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from reszoo.tuning.space import DESCRIPTIVE, plain
from reszoo.tuning.trial_log import Key, TrialJob, TrialRecord, TrialTiming, was_lost

FORMAT = "reszoo search"
FORMAT_VERSION = 2
"""Searches whose candidates are drawn as version 0.1 drew them say 1."""
DEFAULT_FOLDER = Path("searches")
REFERENCES = Path("references")
BATCHED = ("bayesian", "tpe", "pareto")
_SUBFOLDERS = ("candidates", "trials", "logs")


class SearchFolder:
    """A search folder with typed access to its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_path = path / "recipe.yaml"
        self.trials = path / "trials"
        self.trial_log = path / "trials.jsonl"
        self.timing_log = path / "timing.jsonl"
        self.measured_log = path / "measured.jsonl"
        self.best_path = path / "best.yaml"
        """The spec of the best network, which exists once a trial has finished."""
        self.best_recipe_path = path / "best.recipe.yaml"
        """Its recipe, if fields of the recipe are searched."""
        self.front = path / "pareto"
        """The specs of the front, if the search has several objectives."""

    def run_path(self, trial: int | str) -> Path:
        """Returns the run folder of a trial, by its number or the name of its job."""
        return self.trials / (trial if isinstance(trial, str) else f"{trial:04d}")

    def log_path(self, trial: int | str) -> Path:
        """Returns the file of what the training of a trial printed."""
        return self.path / "logs" / f"{self.run_path(trial).name}.txt"

    def records(self) -> list[TrialRecord]:
        """Returns the lines of trials.jsonl, oldest first; raises UserError if one is damaged."""
        try:
            return [TrialRecord(**line) for line in read_lines(self.trial_log)]
        except TypeError as error:  # fields are missing or unknown
            raise UserError(
                "the log of trials is damaged",
                where=str(self.trial_log),
                found=str(error),
                hint="delete the line that has other fields, or search in another folder with -o",
            ) from None

    def append(self, record: TrialRecord) -> None:
        """Appends a line to trials.jsonl."""
        append_line(self.trial_log, json.dumps(asdict(record), allow_nan=False))

    def append_timing(self, timing: TrialTiming) -> None:
        """Appends a line to timing.jsonl."""
        append_line(self.timing_log, json.dumps(asdict(timing), allow_nan=False))

    def timings(self) -> list[TrialTiming]:
        """Returns what trainings cost; damaged lines are left out, as nothing depends on them."""
        names = {field.name for field in fields(TrialTiming)}
        lines = read_valid_lines(self.timing_log)
        return [TrialTiming(**line) for line in lines if line.keys() == names]

    def sort_log(self, keys: Sequence[Key]) -> None:
        """Puts the lines of trials.jsonl into the order of their keys, completely or not at all."""
        lines = {TrialRecord(**line).key: line for line in read_lines(self.trial_log)}
        write_lines(self.trial_log, [lines[key] for key in keys])

    def repair_log(self) -> None:
        """Removes the lines of trials.jsonl that are no results.

        A power cut leaves its last line unfinished; version 0.1 wrote "failed" for a training that
        the machine had ended.
        """
        if not self.trial_log.exists():
            return
        lines = read_lines(self.trial_log)
        results = [line for line in lines if not was_lost(line.get("message"))]
        if results != lines or not self.trial_log.read_bytes().endswith(b"\n"):
            write_lines(self.trial_log, results)

    def write_candidate(self, job: TrialJob) -> Path:
        """Writes the network of a trial as a spec, and returns its file."""
        path = self.path / "candidates" / f"{job.network}.yaml"
        if not path.exists():
            write_text(path, spec.to_yaml(job.architecture))
        return path

    def write_recipe(self, job: TrialJob) -> Path:
        """Returns the recipe of a trial, which is written if fields of it are searched."""
        if job.recipe is None:
            return self.recipe_path
        path = self.path / "candidates" / f"{job.network}.recipe.yaml"
        if not path.exists():
            write_text(path, spec.to_yaml(job.recipe))
        return path

    def write_best(
        self, architecture: Architecture, best: TrialRecord, mean: float | None = None
    ) -> None:
        """Writes the best network as a spec, with its trial in a comment."""
        results = f"val_accuracy {best.val_accuracy:.4f}, epochs {best.epochs}"
        if mean is not None:
            results += f", mean val_accuracy of all seeds {mean:.4f}"
        comment = f"trial {best.trial:04d}: {results}"
        write_text(self.best_path, spec.to_yaml(architecture, {("name",): comment}))

    def record_threads(self, threads: int) -> int | None:
        """Records the CPU threads of each training; returns the number before, if it was another.

        The last digits of a training may depend on them, so equal searches need equal ones.
        """
        identity = read_identity(self.path)
        before = identity.get("threads")
        if before == threads:
            return None
        write_json(self.path / "search.json", {**identity, "threads": threads})
        return None if before is None else int(before)

    def write_best_recipe(self, recipe: Recipe | None) -> None:
        """Writes the recipe of the best network, if fields of it are searched."""
        if recipe is not None:
            write_text(self.best_recipe_path, spec.to_yaml(recipe))

    def write_front(self, jobs: Mapping[int, TrialJob]) -> None:
        """Writes the networks of the front as specs, and removes those of an earlier front."""
        if not jobs and not self.front.is_dir():
            return
        self.front.mkdir(exist_ok=True)
        names = {f"{trial:04d}": job for trial, job in jobs.items()}
        for path in self.front.glob("*.yaml"):
            if path.name.partition(".")[0] not in names:
                path.unlink()
        for name, job in names.items():
            write_text(self.front / f"{name}.yaml", spec.to_yaml(job.architecture))
            if job.recipe is not None:
                write_text(self.front / f"{name}.recipe.yaml", spec.to_yaml(job.recipe))

    def lock(self) -> AbstractContextManager[None]:
        """Holds the folder for this process; see `reszoo.runs.lock.hold_lock`."""
        hint = "wait for it to end, or choose another folder with -o"
        return hold_lock(self.path, f"a search is running in {self.path}", hint)

    def wait_for_training(self, seconds: float = 60.0) -> None:
        """Waits until the trainings that a killed search left behind have stopped by themselves.

        Each holds a lock of its own; version 0.1 locked the folder of all trials.

        Raises UserError if one has not stopped after `seconds`.
        """
        names = [LOCK_NAME, *(path.name for path in self.trials.glob(JOB_LOCKS))]
        deadline = time.monotonic() + seconds
        for name in names:
            self._wait_for_lock(name, deadline)

    def _wait_for_lock(self, name: str, deadline: float) -> None:
        busy = f"a training of an earlier search is still running in {self.trials}"
        hint = "stop that process, then run the search again"
        while True:
            try:
                with hold_lock(self.trials, busy, hint, name=name):
                    return
            except UserError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


def open_search_folder(
    path: Path, resolved: ResolvedSearch, data: Mapping[str, Any]
) -> SearchFolder:
    """Creates the folder of a search, or checks that an existing one is of the same search.

    `data` has the name, the classes and the options of the data.
    """
    identity = identity_of(resolved, data)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        _create(path, resolved, identity)
        return SearchFolder(path)
    before = read_identity(path)
    identity |= {key: before[key] for key in ("threads",) if key in before}
    before = _read_again(path, before)
    _refuse_other_search(path, before, identity)
    for place in (path, path / "candidates"):
        recover_all(place)
    for name in _SUBFOLDERS:  # Git keeps no empty ones.
        (path / name).mkdir(exist_ok=True)
    text = spec.to_yaml(_self_contained(resolved))
    if before != identity or (path / "search.yaml").read_text(encoding="utf-8") != text:
        _write_references(path, resolved)
        write_text(path / "search.yaml", text)
        write_json(path / "search.json", identity)
    return SearchFolder(path)


def held_search(
    path: Path, resolved: ResolvedSearch, data: Mapping[str, Any]
) -> tuple[ResolvedSearch, list[str]]:
    """Returns the search that a folder holds, and what differs in the page that was named.

    Returns the named one and nothing where there is no folder, where both are the same but for
    more trials, and where the folder holds a search of another name, on other data or with another
    seed, which `open_search_folder` refuses.
    """
    if not (path / "search.json").is_file():
        return resolved, []
    before = read_identity(path)
    held = _resolve_held(path, before)
    is_other = (
        held is None
        or held.search.name != resolved.search.name
        or before["seed"] != resolved.search.seed
        or before["data"] != json.loads(json.dumps(dict(data)))
    )
    if held is None or is_other:
        return resolved, []
    identity, kept = identity_of(resolved, data), identity_of(held, data)
    different = [key for key in identity if key != "budget" and kept[key] != identity[key]]
    different = [key for key in different if key != "format_version"]
    return (held, different) if different else (resolved, [])


def _resolve_held(path: Path, before: Mapping[str, Any]) -> ResolvedSearch | None:
    """Returns the search in a folder as today's loader reads it; None if it cannot be read."""
    try:
        return resolve_search(
            path / "search.yaml", classes=before["data"].get("classes"), seed=before["seed"]
        )
    except (UserError, KeyError, AttributeError, OSError):
        return None


def _read_again(path: Path, before: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an identity in which fields that an old folder lacks have their defaults."""
    held = _resolve_held(path, before)
    if held is None:
        return dict(before)
    kept = {key: before[key] for key in ("format_version", "budget", "threads") if key in before}
    return {**identity_of(held, before["data"]), **kept}


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


def _refuse_other_search(
    path: Path, before: Mapping[str, Any], identity: Mapping[str, Any]
) -> None:
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
        key = different[0]
        raise UserError(
            f"{path} holds another search: it differs in {', '.join(different)}",
            expected=f"{key} {_short(before.get(key))}",
            found=f"{key} {_short(identity[key])}",
            hint="choose another folder with -o, or run the search unchanged to resume it",
        )
    if identity["budget"] < before["budget"]:
        raise UserError(
            f"{path} holds a search of more trials",
            expected=f"{before['budget']} or more",
            found=str(identity["budget"]),
            hint="a search can be resumed with more trials or iterations, not with fewer",
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
