"""kill -9 at the n-th file operation in a folder: tied to an event, so that a moment is repeatable.

`killed_writer` kills a fork of this process; `start` a command in a process of its own, or the
process that supervises it; `states` kills nothing and copies what kills would leave. Only the
standard library is imported: the commands import this too.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0
"""Seconds after which a process counts as hanging, on a machine that does much else."""

_VARIABLE = "RESZOO_TEST_KILL"
_EVENTS = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.listdir"}
    | {"os.scandir", "os.utime", "os.chmod"}
)


def moments(number: int, operations: int, seed: int = 0) -> list[int]:
    """So many seeded moments among the operations of a command, the last ones always included.

    A new file takes its name in the last ones.
    """
    last = list(range(max(1, operations - number // 2), operations + 1))
    rest = [moment for moment in range(1, operations + 1) if moment not in last]
    chosen = random.Random(seed).sample(rest, min(len(rest), number - min(len(last), number)))
    return sorted([*chosen, *last[: number - len(chosen)]])


def killed_writer(write: Callable[[], object], folder: Path, moment: int) -> bool:
    """Runs `write` in a fork that is killed at that operation; False if it ended before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads; the child uses none
        child = os.fork()
    if child == 0:
        try:
            _on_operation(folder, moment, lambda: os.kill(os.getpid(), signal.SIGKILL))
            write()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def states(write: Callable[[], object], folder: Path, copies: Path) -> list[Path]:
    """Runs `write`, and copies the folder before each operation: what a kill there would leave.

    What a process holds in buffers of its own is lost in a kill, and is not in a copy either.
    """
    copied: list[Path] = []
    watching = True

    def copy() -> None:
        nonlocal watching
        if watching:
            watching = False  # The copy's own operations are none of `write`.
            copied.append(shutil.copytree(folder, copies / str(len(copied)), symlinks=True))
            watching = True

    _on_operation(folder, 0, int, copy)
    try:
        write()
    finally:
        watching = False  # A hook stays for as long as its process.
    return copied


def start(
    words: list[str], folder: Path, log: Path, moment: int = 0, victim: str = "self"
) -> tuple[int, str]:
    """Runs `reszoo WORDS`, which is killed at an operation in `folder`; its exit code and words.

    Args:
      words: the command.
      folder: an absolute path; what is below it is counted.
      log: an empty folder, for `operations` and `processes`.
      moment: the operation, from 1; 0 kills nothing.
      victim: `self`, or `parent` for the supervisor of the process that comes to the operation.
    """
    log.mkdir(parents=True)
    settings = {"folder": str(folder), "log": str(log), "moment": moment, "victim": victim}
    paths = [str(ROOT), str(ROOT / "tests" / "killing"), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with (log / "printed").open("w+") as printed:  # no pipe: an orphan would keep it open
        done = subprocess.run(
            [sys.executable, "-m", "reszoo", *words],
            env=os.environ | environment | {_VARIABLE: json.dumps(settings)},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            check=False,
            timeout=PATIENCE,
        )
        printed.seek(0)
        return done.returncode, printed.read()


def operations(log: Path) -> int:
    """The operations that one process of a command counted."""
    return max(path.stat().st_size for path in log.glob("process-*"))


def wait_for_orphans(log: Path) -> float:
    """Waits until no process of a command is alive; the seconds that it took."""
    began = time.monotonic()
    for path in log.glob("process-*"):
        while _is_alive(int(path.name.removeprefix("process-"))):
            assert time.monotonic() - began < PATIENCE, f"{path.name} outlives its supervisor"
            time.sleep(0.05)
    return time.monotonic() - began


def leftovers(folder: Path) -> list[str]:
    """The names of unfinished files anywhere below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*.partial*"))


def obey() -> None:
    """Kills as the environment says; a supervisor itself counts nothing."""
    text = os.environ.get(_VARIABLE)
    if text is None or "--supervise" in sys.orig_argv:
        return
    settings = json.loads(text)
    log = Path(settings["log"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    count = os.open(log / f"process-{os.getpid()}", flags)

    def kill() -> None:
        with contextlib.suppress(FileExistsError):  # what is started again goes on
            os.close(os.open(log / "killed", os.O_CREAT | os.O_EXCL))
            victim = os.getpid() if settings["victim"] == "self" else os.getppid()
            os.kill(victim, signal.SIGKILL)

    _on_operation(Path(settings["folder"]), settings["moment"], kill, lambda: os.write(count, b"."))


def _on_operation(
    folder: Path, moment: int, act: Callable[[], object], every: Callable[[], object] = int
) -> None:
    """Calls `act` before the n-th operation below a folder, and `every` before each."""
    prefix, numbers = str(folder) + os.sep, itertools.count(1)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS and any(path.startswith(prefix) for path in _paths(arguments)):
            every()
            if next(numbers) == moment:
                act()

    sys.addaudithook(hook)


def _paths(arguments: tuple[Any, ...]) -> Iterator[str]:
    for argument in arguments[:2]:
        if isinstance(argument, (str, bytes, os.PathLike)):
            yield os.path.join(os.fsdecode(argument), "")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):  # there is no /proc
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] != "Z"
    return True
