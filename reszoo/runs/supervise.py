"""Supervision: a small process without TensorFlow restarts a training that dies.

The training runs in a child process. One that dies of a signal, or asks for it with exit code 75,
is started again and resumes from its last checkpoint; every other end is final. With several
workers each has its supervisor: a worker that dies takes the others down with 75, and all of them
meet again at the chief's last checkpoint.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from reszoo.errors import MachineError, RestartError
from reszoo.parent_watch import pipe_to_child
from reszoo.runs.checkpoint_listing import checkpoint_step, newest_checkpoint
from reszoo.runs.subprocesses import (
    child_environment,
    describe_exit,
    module_command,
    temporary_folder,
    temporary_variables,
)

_FORWARDED = {signal.SIGINT: signal.SIGINT, signal.SIGTERM: signal.SIGTERM}
"""Each signal to the supervisor, and the one that the training gets for it."""
if hasattr(signal, "SIGHUP"):  # Windows has none.
    _FORWARDED[signal.SIGHUP] = signal.SIGTERM

_RESTARTS = (RestartError.exit_code, 128 + signal.SIGTERM)
"""Exit codes of a training that can resume: it says so, or SIGTERM came before it could."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often, and after which delays, a training that died is started again."""

    first_delay: float = 1.0
    """Seconds before the first restart; doubled by each one that brought no new checkpoint."""
    max_delay: float = 60.0
    max_restarts: int = 6
    """Number of restarts in a row that may bring no new checkpoint."""

    def delay(self, failures: int) -> float:
        """Returns the seconds before the next restart, after so many without a new checkpoint."""
        return min(self.max_delay, self.first_delay * 2.0**failures)


class Supervisor:
    """Runs a training to its end in child processes.

    Args:
      run: the run folder, which need not exist yet.
      train: the arguments of `reszoo` that begin the run in that folder.
      resume: the arguments of `reszoo` that resume it.
      say: prints a message for a person.
      policy: when the training is started again.
    """

    def __init__(
        self,
        run: Path,
        train: Sequence[str],
        resume: Sequence[str],
        *,
        say: Callable[[str], Any],
        policy: RestartPolicy | None = None,
    ) -> None:
        self.run = run
        self.train = list(train)
        self.resume = list(resume)
        self.say = say
        self.policy = policy or RestartPolicy()
        self._child: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._signal: int | None = None

    def supervise(self) -> int:
        """Runs the training until it has ended for good, and returns its exit code.

        SIGINT and SIGTERM are forwarded; the training then saves a checkpoint and its end is final.

        Raises:
          MachineError: it died again and again without a new checkpoint.
        """
        before = {number: signal.signal(number, self._forward) for number in self._numbers()}
        try:
            return self._run_to_the_end()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run_to_the_end(self) -> int:
        failures = 0
        while True:
            checkpoint = self._newest_checkpoint()
            code = self._run_once()
            if self._signal is not None or not (code < 0 or code in _RESTARTS):
                return code if code >= 0 else 128 - code
            failures = failures + 1 if self._newest_checkpoint() == checkpoint else 0
            if failures > self.policy.max_restarts:
                raise MachineError(
                    f"{describe_exit(code)}, {failures} times in a row without a new checkpoint",
                    where=str(self.run),
                    hint="see its messages above; `reszoo resume --supervise` tries again, and "
                    "--checkpoint-every saves more often",
                )
            seconds = self.policy.delay(failures)
            self.say(f"{describe_exit(code)}; starting again in {seconds:g} s, {self._origin()}")
            if self._stop.wait(seconds):
                return RestartError.exit_code if self._signal != signal.SIGINT else 130

    def _run_once(self) -> int:
        arguments = self.resume if (self.run / "run.json").is_file() else self.train
        with pipe_to_child() as (options, environment), temporary_folder() as folder:
            # In a session of its own a Ctrl-C reaches it once, through this process.
            self._child = subprocess.Popen(
                module_command("reszoo", *arguments),
                env=child_environment({**environment, **temporary_variables(folder)}),
                start_new_session=True,
                **options,
            )
            if self._signal is not None:  # It came while there was no child to forward it to.
                self._child.send_signal(self._signal)
            return self._child.wait()

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._signal = _FORWARDED[signal.Signals(number)]
        self._stop.set()
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(self._signal)

    def _numbers(self) -> list[signal.Signals]:
        """Returns the signals to forward, but for those that `nohup` or a shell's `&` ignores."""
        if threading.current_thread() is not threading.main_thread():
            return []
        return [number for number in _FORWARDED if signal.getsignal(number) != signal.SIG_IGN]

    def _newest_checkpoint(self) -> Path | None:
        return newest_checkpoint(self.run / "checkpoints")

    def _origin(self) -> str:
        checkpoint = self._newest_checkpoint()
        if checkpoint is None:
            return "from the beginning"
        return f"from step {checkpoint_step(checkpoint)}"
