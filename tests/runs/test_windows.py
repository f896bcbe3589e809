"""Commands that train nothing work where the modules and signals of Unix are missing."""

import subprocess
import sys

import pytest

UNIX_MODULES = ("fcntl", "resource", "termios", "pwd", "grp")

WITHOUT_UNIX = f"""\
import signal, sys
sys.modules.update(dict.fromkeys({UNIX_MODULES}))
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
"""

IMPORT_ALL = """\
import importlib, pkgutil, reszoo
for name in ("runs", "spec", "planning", "report", "cli"):
    package = importlib.import_module(f"reszoo.{name}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""

COMMAND = "from reszoo.cli import main\nsys.exit(main(sys.argv[1:]))\n"

LOCK = """\
from pathlib import Path
from reszoo.runs.lock import hold_lock
try:
    with hold_lock(Path(sys.argv[1])):
        pass
except Exception as error:
    print(type(error).__name__, error)
"""


def without_unix(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_module_without_tensorflow_is_imported():
    without_unix(IMPORT_ALL)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["list"], "resnet20"),
        (["show", "resnet20"], "parameters"),
        (["doctor"], "data sets"),
        (["build", "resnet8_digits"], "resnet8_digits"),
    ],
)
def test_a_command_runs(words, text):
    assert text in without_unix(COMMAND, *words)


def test_a_run_is_not_locked_by_a_soft_lock(tmp_path):
    assert without_unix(LOCK, tmp_path).startswith("MachineError")
    assert list(tmp_path.iterdir()) == []
