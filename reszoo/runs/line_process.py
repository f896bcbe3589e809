"""Helper processes spoken to in lines of JSON: one request, one answer.

The parent makes a `LineProcess` of a module of reszoo, whose `main` calls `serve`. What needs
much memory, or an import of TensorFlow, stays out of the parent this way.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import reszoo.errors
from reszoo.errors import MachineError, ReszooError
from reszoo.parent_watch import obey_supervisor, pipe_to_child
from reszoo.runs.subprocesses import (
    child_environment,
    module_command,
    temporary_folder,
    temporary_variables,
)

_PATIENCE = 10
"""Seconds to wait for a process to end before it is killed."""
_LAST_LINES = 3
_ERROR_FIELDS = ("what", "expected", "found", "hint")


class LineProcess:
    """The parent's side of a helper process, which ends with its parent, however that ends.

    Args:
      module: the module to run, such as `reszoo.exporting.benchmark_worker`.
      arguments: its command line.
      what: the process in error messages, such as "a measuring process".
      environment: variables to change for it.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        what: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._what = what
        with contextlib.ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            folder = stack.enter_context(temporary_folder())
            options, variables = stack.enter_context(pipe_to_child())
            variables = {**(environment or {}), **variables, **temporary_variables(folder)}
            self._process = subprocess.Popen(
                module_command(module, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=child_environment(variables),
                # A Ctrl-C in the terminal reaches the parent alone, which then ends this process.
                start_new_session=True,
                **options,
            )
            self._resources = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, request: Any) -> Any:
        """Sends a request, and returns the answer.

        Raises:
          ReszooError: the answer is an error.
          MachineError: the process has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self.read()

    def read(self) -> Any:
        """Returns the next answer; some processes give one without a request."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            kind: type[ReszooError] = getattr(reszoo.errors, answer["error"])
            raise kind(**answer["fields"])
        return answer

    def end_input(self) -> None:
        """Tells the process that there are no more requests."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def close(self) -> None:
        """Ends the process: it may finish its last answer for 10 seconds, then it is killed."""
        with self._resources:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _ended(self) -> ReszooError:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        last = [line.strip() for line in lines if line.strip()][-_LAST_LINES:]
        return MachineError(
            f"{self._what} ended unexpectedly",
            found="\n".join([f"exit code {code}", *last]),
            hint="close other programs: the process may have run out of memory",
        )


def serve(answer: Callable[[Any], Any]) -> None:
    """Answers the requests of the parent until there are no more; the worker's main loop."""
    obey_supervisor()
    with answer_stream() as write:
        for line in sys.stdin:
            try:
                result = answer(json.loads(line))
            except ReszooError as error:
                result = error_answer(error)
            write(result)


@contextlib.contextmanager
def answer_stream() -> Iterator[Callable[[Any], None]]:
    """Yields the function that writes an answer; whatever else is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    # The parent may have ended, after Ctrl-C.
    with contextlib.suppress(BrokenPipeError), answers:
        yield write


def error_answer(error: ReszooError) -> dict[str, Any]:
    """Returns the answer from which the parent raises the same error."""
    fields = {name: getattr(error, name) for name in _ERROR_FIELDS}
    where = None if error.where is None else str(error.where)
    return {"error": type(error).__name__, "fields": {**fields, "where": where}}
