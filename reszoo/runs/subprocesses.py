"""How does one reszoo process start another, and what does it say when that one ends?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import reszoo


def module_command(module: str, *words: str) -> list[str]:
    """The command that runs a module of ours with this Python."""
    return [sys.executable, "-m", module, *words]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, in which the child finds the same reszoo."""
    found = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, **(changes or {})}
    home = Path(reszoo.__file__).resolve().parent.parent
    # An installed reszoo is found anyway, and site-packages must not shadow the standard library.
    if home.name not in ("site-packages", "dist-packages"):
        paths = [str(home), found.get("PYTHONPATH", "")]
        found["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return found


def ending(code: int) -> str:
    """What became of a training, from what `Popen.returncode` says."""
    if code >= 0:
        return f"the training ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    advice = ", most likely for want of memory" if -code == signal.SIGKILL else ""
    return f"the training was ended by {name}{advice}"
