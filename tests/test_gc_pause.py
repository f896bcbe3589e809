"""Cyclic garbage is not searched for while much is created, nor when a command's process ends."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from reszoo.gc_pause import pause_gc

PROGRAM = """
class Cycle:
    def __init__(self):
        self.me = self

    def __del__(self):
        print("collected")

from reszoo.gc_pause import skip_final_collection
import gc
gc.disable()
if {skip}:
    skip_final_collection()
Cycle()
"""


@pytest.mark.parametrize(("skip", "printed"), [(False, "collected\n"), (True, "")])
def test_the_last_collection_can_be_skipped(skip, printed):
    program = PROGRAM.format(skip=skip)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


@pytest.mark.parametrize("enabled", [True, False])
def test_a_pause_ends_as_it_began_also_after_an_error(enabled):
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ValueError, match="inside"), pause_gc():
            assert not gc.isenabled()
            raise ValueError("inside")
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
