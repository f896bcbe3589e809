"""Parent side of a benchmark process: starts it, requests rounds, and reads its times."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

import reszoo.errors
from reszoo.errors import MachineError, ReszooError
from reszoo.runs.subprocesses import child_environment, module_command

_WORKER = "reszoo.exporting.benchmark_worker"
_PATIENCE = 10
"""Seconds to wait for a process to end before it is killed."""


class BenchmarkProcess:
    """A process in which one network is loaded and warmed up, ready to be timed.

    Args:
      kind: `tflite`, `keras`, `saved_model` or `onnx`.
      path: the file or folder to load.
      threads: number of threads.
      batch: number of images per call.

    Raises:
      UserError: the network cannot be loaded.
      MachineError: the process ended unexpectedly.
    """

    def __init__(self, kind: str, path: Path, threads: int, batch: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process ends
        self._process = subprocess.Popen(
            module_command(_WORKER, kind, str(path), str(threads), str(batch)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # A GPU would make CPU time and thread counts meaningless.
            env=child_environment({"CUDA_VISIBLE_DEVICES": "-1"}),
        )
        self.wall: list[np.ndarray] = []
        """Wall time of each call in seconds, one array per round."""
        self.processor: list[np.ndarray] = []
        """CPU time of each call in seconds, one array per round."""
        try:
            self.start = self._read()
            """The worker's first line: runtime, load time and warm-up."""
            if "error" in self.start:
                raise getattr(reszoo.errors, self.start["error"])(
                    self.start["fields"].pop("what"), **self.start["fields"]
                )
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def take_turn(self, calls: int) -> None:
        """Runs one round of `calls` calls, and records their times."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{calls}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        times = self._read()
        self.wall.append(np.array(times["wall"]))
        self.processor.append(np.array(times["processor"]))

    def finish(self) -> int | None:
        """Ends the process; returns its peak memory in bytes, None if it is not known."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        peak: int | None = self._read()["peak_bytes"]
        return peak

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> ReszooError:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return MachineError(
            "a measuring process ended unexpectedly",
            found=f"exit code {code}" + (f": {last}" if last else ""),
            hint="close other programs: the process may have run out of memory",
        )

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
