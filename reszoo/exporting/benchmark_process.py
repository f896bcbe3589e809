"""The parent's side of a benchmark's process: starts it, gives it turns, reads its times."""

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
"""Seconds that a process gets to end."""


class BenchmarkProcess:
    """A process in which one network waits, warm, for its turns.

    Args:
      kind: `tflite`, `keras`, `saved_model` or `onnx`.
      path: the file or folder to load.
      threads: number of threads.
      batch: number of images of a call.

    Raises:
      UserError: the network cannot be loaded.
      MachineError: the process ended.
    """

    def __init__(self, kind: str, path: Path, threads: int, batch: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process ends
        self._process = subprocess.Popen(
            module_command(_WORKER, kind, str(path), str(threads), str(batch)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Threads and processor time speak of the CPU alone.
            env=child_environment({"CUDA_VISIBLE_DEVICES": "-1"}),
        )
        self.wall: list[np.ndarray] = []
        """Seconds of each call, by turn."""
        self.processor: list[np.ndarray] = []
        """Seconds of processor time of each call, by turn."""
        try:
            self.start = self._read()
            """What it says of the runtime and of the warm-up."""
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
        """Has the network called so many times, and keeps the times."""
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
        """Ends the process; returns the most memory that it took, in bytes."""
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
            "a measuring process ended before its time",
            found=f"exit code {code}" + (f": {last}" if last else ""),
            hint="close other programs: the network may need more memory than is free",
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
