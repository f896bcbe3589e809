"""Cost of a command as a whole process, as the operating system accounts it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple


class ProcessCost(NamedTuple):
    """What a process and its children cost."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads."""
    peak_mb: float
    """Largest resident memory in MiB."""


def run_silently(
    command: Sequence[str], output: str | os.PathLike[str] = os.devnull
) -> ProcessCost:
    """Runs a command without input, and returns its cost.

    `output` is a file that exists, for what the command prints.

    Raises:
      SystemExit: the command failed.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ways = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    with tempfile.NamedTemporaryFile("r", errors="replace") as errors:
        files = (os.devnull, output, errors.name)
        silent = [
            (os.POSIX_SPAWN_OPEN, number, file, way, 0)
            for number, (file, way) in enumerate(zip(files, ways, strict=True))
        ]
        start = time.perf_counter()
        child = os.posix_spawn(command[0], command, environment, file_actions=silent)
        _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter() - start
        if status:
            last = " ".join(errors.read().split("\n")[-4:]).strip()
            raise SystemExit(f"{last} (this failed: {' '.join(command)})")
    return ProcessCost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
