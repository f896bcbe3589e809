"""Processes of their own: a CPU is divided, and workers are connected, once in a process."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

SECONDS = 300
"""Enough for a machine that does much else; nothing here waits for it."""
_ROOT = Path(__file__).parents[2]


class FourCpus:
    """A process whose CPU is divided into four devices; it runs programs, one after the other."""

    _SERVE = """
import json, os, sys, traceback
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.options import DistributionOptions

# Divides the CPU before anything is built on it.
device_setup(DistributionOptions(devices="cpu:4"))
answers, sys.stdout, home = sys.stdout, sys.stderr, os.getcwd()
for line in sys.stdin:
    error = ""
    try:
        exec(json.loads(line), {"__name__": "program"})
    except BaseException:
        error = traceback.format_exc()
    os.chdir(home)
    print(json.dumps(error), file=answers, flush=True)
"""

    def __init__(self):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open until `close`
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._SERVE],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __call__(self, program):
        """Runs a program that must succeed, in a namespace of its own."""
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        print(json.dumps(textwrap.dedent(program)), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        timer.cancel()
        assert answer, f"the process ended: {self._stderr()}"
        assert not (error := json.loads(answer)), error

    def _stderr(self):
        self._process.wait()
        self._errors.seek(0)
        return self._errors.read()[-3000:]

    def close(self):
        self._process.communicate()
        self._errors.close()


class Workers:
    """Processes that train together over the loopback.

    Args:
      code: what each of them runs; `WORKER` is its number.
      count: how many.
    """

    def __init__(self, code, count=2, environments=()):
        config = {"cluster": {"worker": free_addresses(count)}}
        self.processes = []
        for worker in range(count):
            task = {**config, "task": {"type": "worker", "index": worker}}
            more = environments[worker] if environments else {}
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-c", f"WORKER = {worker}\n" + textwrap.dedent(code)],
                    cwd=_ROOT,
                    env={**os.environ, "TF_CONFIG": json.dumps(task), **more},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )

    def wait(self):
        """Exit code, output and errors of each."""
        try:
            told = [one.communicate(timeout=SECONDS) for one in self.processes]
        finally:
            for one in self.processes:
                one.kill()
        pairs = zip(self.processes, told, strict=True)
        return [(one.returncode, out, err) for one, (out, err) in pairs]


def free_addresses(count):
    """Addresses of this machine that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses
