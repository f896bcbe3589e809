"""Child processes of reszoo: their command, their environment, and how they ended."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import reszoo


def module_command(module: str, *arguments: str) -> list[str]:
    """Returns the command that runs a module of reszoo with this Python."""
    return [sys.executable, "-m", module, *arguments]


def child_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns this process's environment, such that a child imports the same reszoo."""
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, **(changes or {})}
    root = Path(reszoo.__file__).resolve().parent.parent
    # An installed reszoo is found anyway, and site-packages must not shadow the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        paths = [str(root), variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return variables


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Returns a context manager of a folder for a child's temporary files.

    A TensorFlow that is killed leaves about thirty files of generated code.
    """
    return tempfile.TemporaryDirectory(prefix="reszoo-", ignore_cleanup_errors=True)


def temporary_variables(folder: str) -> dict[str, str]:
    """Returns the variables by which a child puts its temporary files into a folder."""
    return dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder)


def describe_exit(code: int, process: str = "the training") -> str:
    """Describes how a process ended, from its `Popen.returncode`."""
    if code >= 0:
        return f"{process} ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    advice = ", most likely for lack of memory" if name == "SIGKILL" else ""
    return f"{process} was ended by {name}{advice}"
