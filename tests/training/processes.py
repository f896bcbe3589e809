"""Processes of their own: a CPU is divided, and workers are connected, once in a process."""

import json
import os
import socket
import subprocess
import sys
import textwrap

from tests.programs import ROOT, SECONDS, Programs

DIVIDED = """
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.options import DistributionOptions

# Divides the CPU before anything is built on it.
device_setup(DistributionOptions(devices="cpu:4"))
"""


def four_cpus():
    """A process whose CPU is divided into four devices; it runs programs, one after the other."""
    return Programs(DIVIDED)


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
                    cwd=ROOT,
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
