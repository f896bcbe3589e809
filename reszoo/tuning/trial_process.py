"""How a trial is trained in a process of its own, and what its run folder says afterwards."""

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
from reszoo.runs import Run
from reszoo.runs.subprocesses import child_environment, describe_exit, module_command
from reszoo.spec.recipe import Recipe
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.trial_log import Outcome, TrialJob

PATIENCE_SECONDS = 60.0
"""How long a training that was asked to stop may take to save its state."""

_LAST_LINES = 8
_TENSORFLOW = re.compile(r"[IW]\d{4} |WARNING: All log messages before absl")
_STOPPED = (RestartError.exit_code, 128 + signal.SIGINT)


@dataclass(frozen=True, slots=True)
class SearchData:
    """The data of a search, in words that a child process understands."""

    name: str
    skip_bad_images: bool = False
    data_dir: Path | None = None

    def words(self, seed: int) -> list[str]:
        """The options of `reszoo.tuning.trial_worker`."""
        words = ["--data", self.name, "--seed", str(seed)]
        words += ["--skip-bad-images"] if self.skip_bad_images else []
        return words + (["--data-dir", str(self.data_dir)] if self.data_dir else [])


class DataCheck:
    """A child process that opens the data and fits the base to them, while this one does others.

    The data are never opened in the search's own process: their memory, and the device's, belong
    to the trainings.
    """

    def __init__(self, data: SearchData, setup: ResolvedSearch) -> None:
        self._asked = json.dumps(
            {
                "base": spec.to_mapping(setup.space.base),
                "recipe": spec.to_mapping(setup.recipe),
            }
        )
        self._process = subprocess.Popen(
            _command("check", data.words(setup.search.seed)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment({"CUDA_VISIBLE_DEVICES": "-1"}),
            encoding="utf-8",
            errors="replace",  # what TensorFlow says to stderr may be in any encoding
            start_new_session=True,
        )

    def classes(self) -> list[str]:
        """The data's classes.

        Raises:
          UserError: the data or the base cannot be used.
          MachineError: the check itself failed.
        """
        try:
            answer, printed = self._process.communicate(self._asked)
        finally:
            self.close()
        try:
            told: dict[str, Any] = json.loads(answer.splitlines()[-1])
        except (IndexError, ValueError):
            raise MachineError(
                "the data cannot be opened in a process of their own",
                found=_last_lines(printed) or f"exit code {self._process.returncode}",
            ) from None
        if "error" in told:
            kind: type[ReszooError] = getattr(errors, told["kind"], MachineError)
            raise kind(**told["error"])
        return list(told["classes"])

    def close(self) -> None:
        """Ends the check, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class ChildRunner:
    """Trains each job in a child process, in the run folder of its trial."""

    def __init__(self, folder: SearchFolder, setup: ResolvedSearch, data: SearchData) -> None:
        self._folder = folder
        self._setup = setup
        self._data = data

    def __call__(self, job: TrialJob) -> Outcome:
        """Trains, or goes on with, one trial up to its epochs.

        Raises:
          KeyboardInterrupt: Ctrl-C; the training has stopped and can go on.
          RestartError: someone else stopped the training; it can go on.
        """
        path = self._folder.run_path(job.trial)
        outcome = outcome_of(path, self._setup.recipe, job.epochs)
        if outcome is not None:
            return outcome
        code, printed = self._train(job, path)
        if code in _STOPPED:
            raise RestartError(
                f"the training of trial {job.trial} was stopped; its state is saved",
                hint="run the same command again to go on",
            )
        if code:
            return Outcome(message=f"{describe_exit(code)}\n{_last_lines(printed)}".strip())
        outcome = outcome_of(path, self._setup.recipe, job.epochs)
        return outcome or Outcome(message=f"the run {path} ended without its results")

    def _train(self, job: TrialJob, path: Path) -> tuple[int, str]:
        """Runs the child; its exit code, and what it printed."""
        words = self._data.words(self._setup.search.seed)
        words += ["--candidate", str(self._folder.write_candidate(job))]
        words += ["--recipe", str(self._folder.recipe_path)]
        words += ["--until", str(job.epochs), "--out", str(path)]
        log = self._folder.log_path(job.trial)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                begin = output.tell()
                code = _run(_command("train", words), output)
            with log.open("rb") as output:
                output.seek(begin)
                return code, output.read().decode(errors="replace")
        except OSError as error:
            raise machine_error(error, log) from error


def outcome_of(path: Path, recipe: Recipe, epochs: int) -> Outcome | None:
    """What a run folder says after so many epochs; None while it has not finished them.

    The accuracy is that of the state that the recipe keeps as model.keras: the best so far on the
    held out images, or the last.
    """
    if not (path / "run.json").is_file():
        return None
    run = Run.open(path)
    lines = [line for line in run.metrics() if line.get("kind") == "epoch"][:epochs]
    went_on = run.info.get("epochs", 0) > epochs
    if len(lines) < epochs or not (run.state == "finished" or went_on):
        return None
    accuracies = [float(line["val_accuracy"]) for line in lines]
    return Outcome(max(accuracies) if recipe.validation.keep == "best" else accuracies[-1])


def _run(command: Sequence[str], output: Any) -> int:
    """Runs a child to its end. It is in no terminal's group, so a Ctrl-C reaches it through us."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=child_environment(),
        start_new_session=True,
    ) as process:
        try:
            return process.wait()
        except BaseException:
            _stop(process)
            raise


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks a child to stop, waits until it has saved its state, and does not wait for ever."""
    try:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE_SECONDS)
    except BaseException:
        process.kill()
        process.wait()


def _command(task: str, words: Sequence[str]) -> list[str]:
    return module_command("reszoo.tuning.trial_worker", task, *words)


def _last_lines(text: str) -> str:
    """What a child said in the end, without what TensorFlow says to everyone."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not _TENSORFLOW.match(line)]
    return "\n".join(told[-_LAST_LINES:])
