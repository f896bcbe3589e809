"""A helper process answers each request, and ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from reszoo.errors import MachineError, UserError
from reszoo.runs.line_process import LineProcess

WORKER = "tests.runs.line_worker"
PARENT = f"""
import sys
from reszoo.runs.line_process import LineProcess
process = LineProcess({WORKER!r}, what="a helper")
print(process.ask("pid"), flush=True)
process.ask("sleep")
"""


def is_gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process that is no child of this one has ended within some seconds."""
    for _ in range(int(seconds * 20)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.05)
    return False


def test_requests_are_answered_in_order_and_prints_do_not_mix_with_them():
    with LineProcess(WORKER, what="a helper") as process:
        assert [process.ask(["double", number]) for number in range(5)] == [0, 2, 4, 6, 8]
        with pytest.raises(UserError) as refused:
            process.ask("refuse")
        assert process.ask(["double", 21]) == 42  # an error does not end it
    assert (refused.value.what, refused.value.found) == ("a bad request", "refuse")


def test_a_process_that_dies_is_named_with_its_last_words():
    with (
        LineProcess(WORKER, what="a helper") as process,
        pytest.raises(MachineError, match="a helper ended unexpectedly") as died,
    ):
        process.ask("die")
    assert died.value.found == "exit code 7\nthe last words"


@pytest.mark.skipif(os.name != "posix", reason="descriptors are passed on POSIX only")
def test_a_process_ends_with_a_parent_that_was_killed_in_the_middle_of_a_request():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert is_gone(pid)
