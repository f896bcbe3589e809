"""Processes that run many programs, one after the other: starting TensorFlow takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

SECONDS = 900
"""Enough for a machine that does much else; nothing here waits for it."""
ROOT = Path(__file__).parents[1]

_SERVE = """
import json, os, sys, traceback
answers, sys.stdout, home = sys.stdout, sys.stderr, os.getcwd()
for line in sys.stdin:
    error, (program, *words) = "", json.loads(line)
    sys.argv = ["-c", *words]
    try:
        exec(program, {"__name__": "program"})
    except BaseException:
        error = traceback.format_exc()
    os.chdir(home)
    print(json.dumps(error), file=answers, flush=True)
"""


class Programs:
    """A process of its own for programs that must succeed.

    Args:
      first: what it runs before it imports anything else.
    """

    def __init__(self, first: str = "") -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open until `close`
        self._process = subprocess.Popen(
            [sys.executable, "-c", first + _SERVE],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __call__(self, program: str, *words: object) -> None:
        """Runs a program in a namespace of its own, with `words` as its arguments."""
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        line = json.dumps([textwrap.dedent(program), *map(str, words)])
        print(line, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        timer.cancel()
        assert answer, f"the process ended: {self._stderr()}"
        assert not (error := json.loads(answer)), error

    def _stderr(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        return self._errors.read()[-3000:]

    def close(self) -> None:
        self._process.communicate()
        self._errors.close()
