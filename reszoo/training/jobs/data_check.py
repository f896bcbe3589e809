"""A child process that opens data and checks that a network can train on them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from reszoo import errors, spec
from reszoo.errors import MachineError, ReszooError
from reszoo.runs.subprocesses import (
    child_environment,
    describe_exit,
    temporary_folder,
    temporary_variables,
)
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.jobs.job_process import child_command, last_lines
from reszoo.training.jobs.task import DataArguments


class DataCheck:
    """Checks in a child process that a network can be trained on the data.

    The data are never opened in this process: their memory, and the device's, belong to the
    trainings.
    """

    def __init__(
        self, data: DataArguments, architecture: Architecture, recipe: Recipe, *, seed: int
    ) -> None:
        self._request = json.dumps(
            {"architecture": spec.to_mapping(architecture), "recipe": spec.to_mapping(recipe)}
        )
        self._temporary = temporary_folder()
        self._process = subprocess.Popen(
            child_command("check", data, seed),
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
            raise self._failure(printed) from None
        if "error" in answer:
            kind: type[ReszooError] = getattr(errors, answer["kind"], MachineError)
            raise kind(**answer["error"])
        return list(answer["classes"])

    def _failure(self, printed: str) -> MachineError:
        code = self._process.returncode
        if code < 0:
            return MachineError(
                "the process that checks the data was killed",
                found=describe_exit(code, "the check"),
                hint="free memory, then run the same command again",
            )
        return MachineError(
            "the data cannot be opened in a separate process",
            found=last_lines(printed) or f"exit code {code}",
            hint="run `reszoo data` on the same data to see the error alone",
        )

    def close(self) -> None:
        """Kills the check, if it is still running, and removes its temporary files."""
        with self._temporary:
            if self._process.poll() is None:
                self._process.kill()
                self._process.communicate()
