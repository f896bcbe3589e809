"""Trial run of a foreign `.tflite` in a process of its own, before this one opens it.

LiteRT aborts or does not return on rare damaged files that are well-formed: it would end this
process, in a notebook the whole session. A file of a bundle is known by its hash and not tried.

    python -m reszoo.tflite.trial_run FILE.tflite CPU_SECONDS
"""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import sys
from pathlib import Path

from reszoo.errors import ReszooError, UserError
from reszoo.tflite.contract_file import CONTRACT, has_hashes, read_contract, sha256_of
from reszoo.tflite.model_file import load_model_file

_CPU_SECONDS = 60
"""CPU time of a trial: LiteRT runs ResNet-152 in two."""
_SECONDS = 300
"""Time of a trial that waits for something."""


def require_runnable(path: Path) -> None:
    """Runs a `.tflite` file once in another process, unless a contract beside it has its hash.

    What LiteRT says of a file that it refuses is left to the one who opens it.

    Raises:
      UserError: the file is damaged, ends the process that runs it, or does not end.
      MachineError: it cannot be read.
    """
    load_model_file(path)
    digest = sha256_of(path)
    if _is_of_a_bundle(path, digest) or (ending := _try(path, digest)) is None:
        return
    raise UserError(
        f"{path} does not run in LiteRT",
        expected="a file that LiteRT runs",
        found=f"a file that {ending} in a trial",
        hint="it may be damaged: copy it again, or convert it again; `reszoo inspect` shows what "
        "is in it without running it",
    )


def _is_of_a_bundle(path: Path, digest: str) -> bool:
    try:
        contract = read_contract(path.with_name(CONTRACT))
    except (ReszooError, OSError):  # none, or none that could tell
        return False
    return has_hashes(contract) and digest in contract["sha256"].values()


@functools.lru_cache
def _try(path: Path, digest: str) -> str | None:
    """Returns how a file of a hash ends the process that runs it; None if it does not.

    A program that classifies picture by picture waits for one trial only.
    """
    command = [sys.executable, "-m", __name__, str(path), str(_CPU_SECONDS)]
    try:
        code = subprocess.run(command, capture_output=True, timeout=_SECONDS).returncode
    except subprocess.TimeoutExpired:
        return f"takes more than {_SECONDS} seconds"
    if code == -getattr(signal, "SIGXCPU", 0):
        return f"takes more than {_CPU_SECONDS} seconds of CPU time"
    return f"ends its process ({_name(code)})" if _is_crash(code) else None


def _is_crash(code: int) -> bool:
    """Whether an exit code is that of a signal, or of a crash on Windows; Python's own are not."""
    return code < 0 or code > 2


def _name(code: int) -> str:
    known = -code in set(signal.Signals)
    return signal.Signals(-code).name if known else f"exit code {code}"


def _run(path: str, cpu_seconds: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    with contextlib.suppress(ImportError):  # Windows has no limits: the parent's clock remains
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), most))
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()


if __name__ == "__main__":
    _run(*sys.argv[1:])
