"""Measurement of a file's arena by TFLite-Micro itself, where its wheel is installed.

It runs in a process of its own, since native code may abort on a file that it does not know:

    python -m reszoo.tflite.micro_runtime ARENA_BYTES < FILE.tflite
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
_SECONDS = 60


def measured_arena(content: bytes, arena_bytes: int) -> int | None:
    """Returns the bytes of the arena that TFLite-Micro uses for a file.

    None where its wheel is not installed, or where it refuses the file.

    Args:
      content: the bytes of the file.
      arena_bytes: of the arena to lend it, at least what it needs.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    command = [sys.executable, "-m", __name__, str(arena_bytes)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    output = (done.stdout + done.stderr).decode(errors="replace")
    found = _TOTAL.search(output) if done.returncode == 0 else None
    return int(found[1]) if found else None


def _print_allocations() -> None:
    from tflite_micro.python.tflite_micro import runtime

    content = sys.stdin.buffer.read()
    runtime.Interpreter.from_bytes(content, arena_size=int(sys.argv[1])).print_allocations()


if __name__ == "__main__":
    _print_allocations()
