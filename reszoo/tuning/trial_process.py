"""Trials in child processes: checking the data, training a job, reading its outcome."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo import errors, spec
from reszoo.atomic_files import machine_error
from reszoo.errors import MachineError, RestartError, ReszooError
from reszoo.regular_files import require_regular_file
from reszoo.runs import Run
from reszoo.runs.checkpoint_listing import newest_checkpoint
from reszoo.runs.subprocesses import (
    child_environment,
    describe_exit,
    module_command,
    temporary_folder,
    temporary_variables,
)
from reszoo.spec.recipe import Recipe
from reszoo.training.jobs.task import JobOutcome as Outcome
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.trial_log import TrialJob

STOP_SECONDS = 60.0
"""Seconds that a stopped training gets to save its checkpoint."""

MACHINE_FAULT = 74
"""Exit code (EX_IOERR) of a training that had too little disk or memory, or lost its files."""

MAX_RESTARTS = 3
"""How often in a row a training that died is started again without a new checkpoint."""

_LAST_LINES = 8
_TENSORFLOW = re.compile(r"[IW]\d{4} |WARNING: All log messages before absl")
_INTERRUPTED = 128 + signal.SIGINT
_CANNOT_WRITE = 120
"""Python's exit code when its last output cannot be written."""


@dataclass(frozen=True, slots=True)
class SearchData:
    """The data of a search, as options of a child process."""

    name: str
    skip_bad_images: bool = False
    data_dir: Path | None = None

    def command(self, task: str, seed: int) -> list[str]:
        """Returns the command that runs a task of `reszoo.tuning.trial_worker` on these data."""
        arguments = ["--data", self.name, "--seed", str(seed)]
        arguments += ["--skip-bad-images"] if self.skip_bad_images else []
        arguments += ["--data-dir", str(self.data_dir)] if self.data_dir else []
        return module_command("reszoo.tuning.trial_worker", task, *arguments)


class DataCheck:
    """A child process that opens the data and checks that the base can train on them.

    The data are never opened in the process of the search: their memory, and the device's, belong
    to the trainings.
    """

    def __init__(self, data: SearchData, resolved: ResolvedSearch) -> None:
        base, recipe = spec.to_mapping(resolved.space.base), spec.to_mapping(resolved.recipe)
        self._request = json.dumps({"base": base, "recipe": recipe})
        self._temporary = temporary_folder()
        self._process = subprocess.Popen(
            data.command("check", resolved.search.seed),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(
                {"CUDA_VISIBLE_DEVICES": "-1", **temporary_variables(self._temporary.name)}
            ),
            encoding="utf-8",
            errors="replace",  # TensorFlow may write any encoding to stderr
            start_new_session=True,
        )

    def classes(self) -> list[str]:
        """Waits for the check and returns the classes of the data, or raises its error."""
        output, printed = self._process.communicate(self._request)
        try:
            answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        except (IndexError, ValueError):
            raise MachineError(
                "the data cannot be opened in a separate process",
                found=_last_lines(printed) or f"exit code {self._process.returncode}",
                hint="run `reszoo data` on the same data to see the error alone",
            ) from None
        if "error" in answer:
            kind: type[ReszooError] = getattr(errors, answer["kind"], MachineError)
            raise kind(**answer["error"])
        return list(answer["classes"])

    def close(self) -> None:
        """Kills the check, if it is still running, and removes its temporary files."""
        with self._temporary:
            if self._process.poll() is None:
                self._process.kill()
                self._process.communicate()


class ChildRunner:
    """Trains each job in a child process, in the run folder of its trial."""

    def __init__(self, folder: SearchFolder, resolved: ResolvedSearch, data: SearchData) -> None:
        self._folder = folder
        self._resolved = resolved
        self._data = data

    def __call__(self, job: TrialJob) -> Outcome:
        """Trains or resumes a trial up to its epochs.

        A training that a signal ended, or that asks for it with exit code 75, is lost work and no
        failure: it is started again. One that was stopped by Ctrl-C here (KeyboardInterrupt) or
        there (RestartError) can be resumed, and so can one that had too little disk or memory
        (MachineError).
        """
        path = self._folder.run_path(job.trial)
        outcome = outcome_of(path, self._resolved.recipe, job.epochs)
        if outcome is not None:
            return outcome
        losses = 0
        while True:
            checkpoint = newest_checkpoint(path / "checkpoints")
            code, printed = self._train(job, path)
            if code >= 0 and code != RestartError.exit_code:
                break
            losses = losses + 1 if newest_checkpoint(path / "checkpoints") == checkpoint else 0
            if losses > MAX_RESTARTS:
                again = f"{losses} times in a row without a new checkpoint"
                return Outcome(message=f"{again}, {describe_exit(code)}\n{_last_lines(printed)}")
        if code == _INTERRUPTED:
            raise RestartError(
                f"the training of trial {job.trial} was stopped; its checkpoint is saved",
                hint="run the same command again to resume",
            )
        if code in (MACHINE_FAULT, _CANNOT_WRITE):
            raise MachineError(
                f"trial {job.trial} had too little disk or memory, or lost its files",
                where=str(self._folder.log_path(job.trial)),
                found=_last_error(printed) or describe_exit(code),
                hint="free disk or memory, then run the same command again to resume; a network "
                "that never fits into memory needs lower `limits` or a smaller batch, and a new -o",
            )
        if code:
            return Outcome(message=f"{describe_exit(code)}\n{_last_lines(printed)}".strip())
        outcome = outcome_of(path, self._resolved.recipe, job.epochs)
        return outcome or Outcome(message=f"the run {path} ended without its results")

    def _train(self, job: TrialJob, path: Path) -> tuple[int, str]:
        """Runs the child process and returns its exit code and what it printed."""
        command = self._data.command("train", self._resolved.search.seed)
        command += ["--candidate", str(self._folder.write_candidate(job))]
        command += ["--recipe", str(self._folder.recipe_path)]
        command += ["--until", str(job.epochs), "--out", str(path)]
        log = self._folder.log_path(job.trial)
        require_regular_file(log)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                begin = output.tell()
                code = _run(command, output)
            with log.open("rb") as output:
                output.seek(begin)
                return code, output.read().decode(errors="replace")
        except OSError as error:
            raise machine_error(error, error.filename or log) from error


def outcome_of(path: Path, recipe: Recipe, epochs: int) -> Outcome | None:
    """Returns the outcome of a run after a number of epochs; None before it has finished them.

    The accuracy is that of the checkpoint that the recipe keeps as model.keras: the best one on the
    held-out images, or the last one.
    """
    if not (path / "run.json").is_file():
        return None
    run = Run.open(path)
    lines = [line for line in run.metrics() if line.get("kind") == "epoch"][:epochs]
    resumed = run.info.get("epochs", 0) > epochs
    if len(lines) < epochs or not (run.state == "finished" or resumed):
        return None
    accuracies = [float(line["val_accuracy"]) for line in lines]
    return Outcome(max(accuracies) if recipe.validation.keep == "best" else accuracies[-1])


def _run(command: Sequence[str], output: Any) -> int:
    """Runs a child to its end, in a session of its own: a Ctrl-C reaches it only from here.

    Its temporary files go to a folder that is removed here, as a killed TensorFlow leaves its own.
    """
    with (
        temporary_folder() as folder,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(temporary_variables(folder)),
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait()
        except BaseException:
            _stop(process)
            raise


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stops a child and waits until it has saved its checkpoint, but not for ever."""
    try:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(STOP_SECONDS)
    except BaseException:
        process.kill()
        process.wait()


def _last_error(text: str) -> str | None:
    """Returns the last error that a child printed."""
    errors_ = [line for line in text.splitlines() if line.startswith("error: ")]
    return errors_[-1].removeprefix("error: ") if errors_ else None


def _last_lines(text: str) -> str:
    """Returns the last lines that a child printed, without TensorFlow's own."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    own_lines = [line for line in lines if not _TENSORFLOW.match(line)]
    return "\n".join(own_lines[-_LAST_LINES:])
