"""The process of a job: it trains one task in a child process, again where its work was lost."""

from __future__ import annotations

import dataclasses
import platform
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from reszoo import spec
from reszoo.atomic_files import machine_error
from reszoo.errors import MachineError, RestartError
from reszoo.regular_files import require_regular_file
from reszoo.runs.subprocesses import (
    child_environment,
    describe_exit,
    module_command,
    temporary_folder,
    temporary_variables,
)
from reszoo.system_info import peak_memory_of
from reszoo.training.jobs.lost_work import LostWork
from reszoo.training.jobs.run_outcome import outcome_of
from reszoo.training.jobs.task import DataArguments, JobOutcome, TrainingTask

STOP_SECONDS = 60.0
"""Seconds that a stopped training gets to save its checkpoint."""

MACHINE_FAULT = 74
"""Exit code (EX_IOERR) of a training that had too little disk or memory, or lost its files."""

JOB_LOCKS = ".*.lock"
"""Pattern of the locks beside runs."""

_LAST_LINES = 8
_LOOK_SECONDS = 0.5
"""Seconds between two looks at a child: how much memory it has, and whether it has to stop."""
_TENSORFLOW = re.compile(r"[IW]\d{4} |WARNING: All log messages before absl")
_INTERRUPTED = 128 + signal.SIGINT
_CANNOT_WRITE = 120
"""Python's exit code when its last output cannot be written."""
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""Variables that TensorFlow and its libraries read when they are imported."""


def child_command(kind: str, data: DataArguments, seed: int) -> list[str]:
    """Returns the command that runs `reszoo.training.jobs.child` on data."""
    arguments = ["--data", data.name, "--seed", str(seed)]
    arguments += ["--skip-bad-images"] if data.skip_bad_images else []
    arguments += ["--data-dir", str(data.data_dir)] if data.data_dir else []
    for teacher in data.teachers:
        arguments += ["--teacher", str(teacher.path)]
    return module_command("reszoo.training.jobs.child", kind, *arguments)


def lock_name(run: Path) -> str:
    """Returns the name of the lock beside a run, which one training of it holds at a time."""
    return JOB_LOCKS.replace("*", run.name)


def perform(
    task: TrainingTask,
    environment: Mapping[str, str] | None = None,
    stopping: threading.Event | None = None,
) -> JobOutcome:
    """Trains or resumes a task in a child process, and returns its outcome.

    A training that a signal ended, or that asks for it with exit code 75, is lost work and no
    failure: it is started again, at most three times in a row without a new checkpoint.

    Args:
      task: what to train. A run that has its epochs is read, not trained again.
      environment: changes to the environment of the child.
      stopping: stops the training once it is set; its checkpoint is saved.

    Raises:
      RestartError: the training was stopped, here or from outside; its checkpoint is saved.
      MachineError: it had too little disk or memory, or lost its files.
      KeyboardInterrupt: Ctrl-C; the training was stopped first.
    """
    recipe = spec.load_recipe(task.recipe)
    if outcome := outcome_of(task.run, recipe, task.epochs):
        return dataclasses.replace(outcome, attempts=0, host=platform.node())
    lost, attempts, begin = LostWork(task.run), 0, time.monotonic()
    with _Child(task, environment or {}, stopping or threading.Event()) as child:
        while True:
            attempts += 1
            code, printed = child.run()
            if code >= 0 and code != RestartError.exit_code:
                outcome = _failure(task, code, printed) or outcome_of(task.run, recipe, task.epochs)
                break
            if not lost.may_restart():
                reason = f"{describe_exit(code)}\n{last_lines(printed)}"
                outcome = JobOutcome(message=lost.failure(reason))
                break
    return dataclasses.replace(
        outcome or JobOutcome(message=f"the run {task.run} ended without its results"),
        attempts=attempts,
        seconds=round(time.monotonic() - begin, 3),
        host=platform.node(),
        peak_memory=child.peak_memory,
    )


def last_lines(text: str) -> str:
    """Returns the last lines that a child printed, without TensorFlow's own."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    own_lines = [line for line in lines if not _TENSORFLOW.match(line)]
    return "\n".join(own_lines[-_LAST_LINES:])


def _failure(task: TrainingTask, code: int, printed: str) -> JobOutcome | None:
    """Returns the outcome of a training that failed; None where it did not.

    Raises:
      RestartError: it was stopped.
      MachineError: the machine is at fault.
    """
    if code == _INTERRUPTED:
        raise RestartError(
            f"the training {task.run.name} was stopped; its checkpoint is saved",
            where=str(task.log),
            hint="run the same command again to resume",
        )
    if code in (MACHINE_FAULT, _CANNOT_WRITE):
        raise MachineError(
            f"the training {task.run.name} had too little disk or memory, or lost its files",
            where=str(task.log),
            found=_last_error(printed) or describe_exit(code),
            hint="free disk or memory, then run the same command again to resume; a network that "
            "never fits into memory needs lower limits or a smaller batch, and a new -o",
        )
    if code == 0:
        return None
    return JobOutcome(message=f"{describe_exit(code)}\n{last_lines(printed)}".strip())


class _Child:
    """Runs child processes that train a task, one after the other.

    Their temporary files go to a folder that is removed in the end, as a killed TensorFlow leaves
    its own.
    """

    def __init__(
        self, task: TrainingTask, environment: Mapping[str, str], stopping: threading.Event
    ) -> None:
        self.peak_memory: int | None = None
        self._task = task
        self._stopping = stopping
        self._temporary = temporary_folder()
        variables = dict.fromkeys(THREAD_VARIABLES, str(task.threads)) if task.threads else {}
        variables |= {**environment, **temporary_variables(self._temporary.name)}
        self._environment = child_environment(variables)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        self._temporary.cleanup()

    def run(self) -> tuple[int, str]:
        """Runs a child to its end, and returns its exit code and what it printed."""
        log = self._task.log
        require_regular_file(log)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                begin = output.tell()
                code = self._train(_train_command(self._task), output)
            with log.open("rb") as output:
                output.seek(begin)
                return code, output.read().decode(errors="replace")
        except OSError as error:
            raise machine_error(error, error.filename or log) from error

    def _train(self, command: Sequence[str], output: IO[bytes]) -> int:
        """Runs a command in a session of its own: a Ctrl-C reaches it only from here."""
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        ) as process:
            try:
                while True:
                    self._note_memory(process.pid)
                    if self._stopping.is_set():
                        _stop(process)
                        return _INTERRUPTED
                    try:
                        return process.wait(_LOOK_SECONDS)
                    except subprocess.TimeoutExpired:
                        continue
            except BaseException:
                _stop(process)
                raise

    def _note_memory(self, pid: int) -> None:
        """Keeps the largest memory of the children; one that was killed cannot tell it."""
        self.peak_memory = max(self.peak_memory or 0, peak_memory_of(pid) or 0) or None


def _train_command(task: TrainingTask) -> list[str]:
    command = child_command("train", task.data, task.seed)
    command += ["--architecture", str(task.architecture), "--recipe", str(task.recipe)]
    command += ["--until", str(task.epochs), "--out", str(task.run)]
    return [*command, "--test"] if task.test else command


def _stop(process: subprocess.Popen[Any]) -> None:
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
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    return errors[-1].removeprefix("error: ") if errors else None
