"""Parent side of a benchmark process: starts it, requests rounds, and reads its times."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from reszoo.runs.line_process import LineProcess

_WORKER = "reszoo.exporting.benchmark_worker"


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
        self._process = LineProcess(
            _WORKER,
            *(kind, str(path), str(threads), str(batch)),
            what="a measuring process",
            # A GPU would make CPU time and thread counts meaningless.
            environment={"CUDA_VISIBLE_DEVICES": "-1"},
        )
        self.wall: list[np.ndarray] = []
        """Wall time of each call in seconds, one array per round."""
        self.processor: list[np.ndarray] = []
        """CPU time of each call in seconds, one array per round."""
        try:
            self.start: dict[str, Any] = self._process.read()
            """The worker's first line: runtime, shape of the input, load time and warm-up."""
        except BaseException:
            self._process.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.close()

    def take_turn(self, calls: int) -> None:
        """Runs one round of `calls` calls, and records their times."""
        times = self._process.ask(calls)
        self.wall.append(np.array(times["wall"]))
        self.processor.append(np.array(times["processor"]))

    def finish(self) -> int | None:
        """Ends the process; returns its peak memory in bytes, None if it is not known."""
        self._process.end_input()
        peak: int | None = self._process.read()["peak_bytes"]
        return peak
