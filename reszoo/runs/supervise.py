"""How does a training survive its own end? A small process without TensorFlow starts it again.

The training runs in a child. One that dies of a signal, or asks for it with exit code 75, is
started again and goes on from its last state; all other ends are final. With several workers each
has its supervisor: a worker that dies takes the others down with 75, and all of them meet again at
the chief's last state.
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
from reszoo.runs.run import STATES
from reszoo.runs.subprocesses import ending, environment, module_command

_PASSED_ON = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}
"""What the supervisor gets, and what the training gets for it."""

_RESTARTS = (RestartError.exit_code, 128 + signal.SIGTERM)
"""Exit codes of a training that can go on: it said so, or SIGTERM came before it could."""


@dataclass(frozen=True, slots=True)
class Patience:
    """When a training that died is started again."""

    first_seconds: float = 1.0
    """Before the first restart; doubled with each one that brought no new state."""
    most_seconds: float = 60.0
    restarts: int = 6
    """How many restarts in a row may bring no new state."""

    def wait(self, fruitless: int) -> float:
        """Seconds before the next restart, after so many that brought nothing."""
        return min(self.most_seconds, self.first_seconds * 2.0**fruitless)


class Supervisor:
    """Runs a training to its end in child processes.

    Args:
      run: its run folder, which need not exist yet.
      begin: the words after `reszoo` that begin it in that folder.
      go_on: the words that go on with it.
      say: tells a person what happens.
      patience: when it is started again.
    """

    def __init__(
        self,
        run: Path,
        begin: Sequence[str],
        go_on: Sequence[str],
        *,
        say: Callable[[str], Any],
        patience: Patience | None = None,
    ) -> None:
        self.run = run
        self.begin = list(begin)
        self.go_on = list(go_on)
        self.say = say
        self.patience = patience or Patience()
        self._child: subprocess.Popen[bytes] | None = None
        self._asked = threading.Event()
        self._signal: int | None = None

    def supervise(self) -> int:
        """Runs the training until it has ended for good, and returns its exit code.

        SIGINT and SIGTERM are passed on; the training then saves its state, and its end is final.

        Raises:
          MachineError: it died again and again without getting on.
        """
        before = {number: signal.signal(number, self._pass_on) for number in self._numbers()}
        try:
            return self._run_to_the_end()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run_to_the_end(self) -> int:
        fruitless = 0
        while True:
            state = self._newest_state()
            code = self._run_once()
            if self._signal is not None or not (code < 0 or code in _RESTARTS):
                return code if code >= 0 else 128 - code
            fruitless = fruitless + 1 if self._newest_state() == state else 0
            if fruitless > self.patience.restarts:
                raise MachineError(
                    f"{ending(code)}, {fruitless} times in a row without a new state",
                    where=str(self.run),
                    hint="see what it said before; `reszoo resume --supervise` tries again, and "
                    "--checkpoint-every saves more often",
                )
            seconds = self.patience.wait(fruitless)
            self.say(f"{ending(code)}; starting again in {seconds:g} s, {self._from_where()}")
            if self._asked.wait(seconds):
                return RestartError.exit_code if self._signal != signal.SIGINT else 130

    def _run_once(self) -> int:
        words = self.go_on if self._is_born() else self.begin
        # In a session of its own a Ctrl-C reaches it once, through this process.
        self._child = subprocess.Popen(
            module_command("reszoo", *words), env=environment(), start_new_session=True
        )
        if self._signal is not None:  # It came while there was nobody to pass it on to.
            self._child.send_signal(self._signal)
        return self._child.wait()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._signal = _PASSED_ON[signal.Signals(number)]
        self._asked.set()
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(self._signal)

    def _numbers(self) -> list[signal.Signals]:
        """The signals to pass on: not those that `nohup` or a shell's `&` has shut out."""
        if threading.current_thread() is not threading.main_thread():
            return []
        return [one for one in _PASSED_ON if signal.getsignal(one) != signal.SIG_IGN]

    def _is_born(self) -> bool:
        return (self.run / "run.json").is_file()

    def _newest_state(self) -> str | None:
        names = (path.name for path in (self.run / "checkpoints").glob(STATES))
        return max(names, default=None)

    def _from_where(self) -> str:
        state = self._newest_state()
        if state is None:
            return "from the beginning"
        return f"from step {int(state.removeprefix('step-').removesuffix('.state'))}"
