"""One process owns a run; a dead one owns nothing."""

import os
import signal
import subprocess
import sys

import pytest

from reszoo.errors import UserError
from tests.runs.samples import new_run

HOLD = """
import sys, time
from pathlib import Path
from reszoo.runs.lock import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    run = new_run(tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield run, process
        process.kill()


def test_a_second_process_is_told_who_holds_the_run(holder):
    run, process = holder
    with pytest.raises(UserError, match=f"process {process.pid} on"), run.lock():
        pass


def test_a_killed_process_lets_go(holder):
    run, process = holder
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with run.lock():
        pass


def test_a_run_is_held_once_even_inside_one_process(tmp_path):
    run = new_run(tmp_path / "run")
    with run.lock(), pytest.raises(UserError, match="is in use"), run.lock():
        pass
    with run.lock():
        pass
