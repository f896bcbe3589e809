"""Cost of a command as a whole process, as the operating system accounts it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence


def run_silently(command: Sequence[str]) -> tuple[float, resource.struct_rusage]:
    """Runs a command without input or output, and returns its wall seconds and resource usage.

    Raises:
      SystemExit: the command failed.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ways = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    silent = [(os.POSIX_SPAWN_OPEN, file, os.devnull, way, 0) for file, way in enumerate(ways)]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"this failed: {' '.join(command)}")
    return wall, usage
