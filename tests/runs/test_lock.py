"""One process owns a run; a dead one owns nothing."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading

import filelock
import pytest

from reszoo.errors import MachineError, UserError
from reszoo.runs.lock import HOLDER_NAME, LOCK_NAME, hold_lock
from tests.runs.samples import new_run

HOLD = """
import sys, time
from pathlib import Path
from reszoo.runs.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

# As version 0.1 locked a run: by flock, with the holder in the locked file.
HOLD_AS_V0_1 = """
import fcntl, json, os, sys, time
descriptor = os.open(sys.argv[1] + "/.lock", os.O_RDWR | os.O_CREAT, 0o644)
fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.ftruncate(descriptor, 0)
holder = {"process": os.getpid(), "host": "old", "since": "2026-01-01T00:00:00+00:00"}
os.pwrite(descriptor, json.dumps(holder).encode(), 0)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path):
    """Starts a process that holds a run, and returns both."""
    run = new_run(tmp_path / "run")
    processes = []

    def start(program):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(run.path)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return run, process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("program", [HOLD, HOLD_AS_V0_1])
def test_a_second_process_is_told_who_holds_the_run(hold, program):
    run, process = hold(program)
    with pytest.raises(UserError, match="is in use") as caught, run.lock():
        pass
    found = caught.value.found
    assert found.startswith(f"held by process {process.pid} on ")
    assert " since 20" in found
    with pytest.raises(UserError, match=f"process {process.pid} on"), run.lock():
        pass


@pytest.mark.parametrize("program", [HOLD, HOLD_AS_V0_1])
def test_a_killed_process_lets_go(hold, program):
    run, process = hold(program)
    kill(process)
    with run.lock():
        assert (run.path / LOCK_NAME).read_text() == ""
        assert json.loads((run.path / HOLDER_NAME).read_text())["process"] == os.getpid()


def test_version_0_1_is_refused_what_this_version_holds(tmp_path):
    run = new_run(tmp_path / "run")
    with run.lock():
        old = subprocess.run(
            [sys.executable, "-c", HOLD_AS_V0_1, str(run.path)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "BlockingIOError" in old.stderr


def test_version_0_1_is_named_after_a_killed_process_of_this_version(hold):
    run, process = hold(HOLD)
    kill(process)
    assert (run.path / HOLDER_NAME).exists()
    _, old = hold(HOLD_AS_V0_1)
    with pytest.raises(UserError, match=f"process {old.pid} on old since 2026-01-01"), run.lock():
        pass


def test_a_run_is_held_once_even_inside_one_process(tmp_path):
    run = new_run(tmp_path / "run")
    with run.lock(), pytest.raises(UserError, match="is in use"), run.lock():
        pass
    with run.lock():
        pass


def test_a_second_thread_is_refused(tmp_path):
    run = new_run(tmp_path / "run")
    refused = []

    def try_to_lock():
        try:
            with run.lock():
                pass
        except UserError as error:
            refused.append(error.found)

    with run.lock():
        thread = threading.Thread(target=try_to_lock)
        thread.start()
        thread.join()
    assert [f"process {os.getpid()} on" in found for found in refused] == [True]


def test_only_the_empty_lock_file_stays_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), hold_lock(tmp_path):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]
    assert (tmp_path / LOCK_NAME).read_text() == ""


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch, code):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    for _ in range(2):  # with and without a lock file that stands there
        with pytest.raises(MachineError, match="cannot be locked") as caught, hold_lock(tmp_path):
            pass
        assert caught.value.found == os.strerror(code)


def test_without_fcntl_no_soft_lock_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(filelock, "FileLock", filelock.SoftFileLock)
    with pytest.raises(MachineError, match="cannot be locked"), hold_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_the_machines_fault(tmp_path):
    with pytest.raises(MachineError, match="cannot write"), hold_lock(tmp_path / "gone"):
        pass
