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
retrained/       the winners on all training images, as run folders, with their recipes
retrained.jsonl  their accuracies on the test split
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
from reszoo.atomic_files import append_line, write_json, write_text
from reszoo.errors import Place, UserError
from reszoo.runs.jsonl import read_lines, read_valid_lines, write_lines
from reszoo.runs.lock import LOCK_NAME, hold_lock
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.jobs.job_process import JOB_LOCKS
from reszoo.training.teacher_record import TEACHERS, TeacherRecord
from reszoo.tuning.search_identity import read_identity
from reszoo.tuning.trial_log import Key, TrialJob, TrialRecord, TrialTiming, was_lost

DEFAULT_FOLDER = Path("searches")


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
        self.retrained = path / "retrained"
        """The runs of the winners on all training images, if they were asked for."""
        self.retrained_log = path / "retrained.jsonl"

    def run_path(self, trial: int) -> Path:
        """Returns the run folder of a trial."""
        return self.trials / f"{trial:04d}"

    def run_of(self, job: TrialJob) -> Path:
        """Returns the run folder of a job."""
        return (self.retrained if job.kind == "retrain" else self.trials) / job.name

    def log_of(self, job: TrialJob) -> Path:
        """Returns the file of what the training of a job printed."""
        name = f"retrained-{job.name}" if job.kind == "retrain" else job.name
        return self.path / "logs" / f"{name}.txt"

    def records(self) -> list[TrialRecord]:
        """Returns the lines of trials.jsonl, oldest first; raises UserError if one is damaged."""
        lines = enumerate(read_lines(self.trial_log), 1)
        return [self._record(number, line) for number, line in lines]

    def _record(self, number: int, line: Mapping[str, Any]) -> TrialRecord:
        try:
            return TrialRecord(**line)
        except TypeError:
            known = [field.name for field in fields(TrialRecord)]
            unknown = [name for name in line if name not in known]
            missing = [name for name in known if name not in line]
            raise UserError(
                "the log of trials is damaged",
                where=Place(str(self.trial_log), number),
                expected="the fields of a trial" + (f", with {missing[0]}" if missing else ""),
                found=f"the unknown field {unknown[0]}" if unknown else "a line without it",
                hint=f"delete line {number} of {self.trial_log}: its training is then resumed",
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
        """Returns the recipe of a job, which is written if it differs from that of the search."""
        if job.recipe is None:
            return self.recipe_path
        folder = self.retrained if job.kind == "retrain" else self.path / "candidates"
        path = folder / f"{job.network}.recipe.yaml"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
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

    def record_teachers(self, teachers: Sequence[TeacherRecord]) -> None:
        """Records the teachers of all trainings with their present paths."""
        identity = read_identity(self.path)
        facts = [teacher.facts() for teacher in teachers]
        if facts and identity.get(TEACHERS) != facts:
            write_json(self.path / "search.json", {**identity, TEACHERS: facts})

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
        locks = [self.trials / LOCK_NAME]
        locks += [path for runs in (self.trials, self.retrained) for path in runs.glob(JOB_LOCKS)]
        deadline = time.monotonic() + seconds
        for lock in locks:
            self._wait_for_lock(lock, deadline)

    def _wait_for_lock(self, lock: Path, deadline: float) -> None:
        busy = f"a training of an earlier search is still running in {lock.parent}"
        hint = "stop that process, then run the search again"
        while True:
            try:
                with hold_lock(lock.parent, busy, hint, name=lock.name):
                    return
            except UserError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)
