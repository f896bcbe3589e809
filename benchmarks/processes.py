"""Cost of a command as a whole process, as the operating system accounts it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence


def run_silently(
    command: Sequence[str], output: str | os.PathLike[str] = os.devnull
) -> tuple[float, resource.struct_rusage]:
    """Runs a command without input, and returns its wall seconds and resource usage.

    `output` is a file that exists, for what the command prints.

    Raises:
      SystemExit: the command failed.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ways = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    files = (os.devnull, output, os.devnull)
    silent = [
        (os.POSIX_SPAWN_OPEN, number, file, way, 0)
        for number, (file, way) in enumerate(zip(files, ways, strict=True))
    ]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"this failed: {' '.join(command)}")
    return wall, usage
