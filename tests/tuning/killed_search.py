"""A search for the tests to kill: `python -m tests.tuning.killed_search FILE OUT HANGS_AT`."""

from __future__ import annotations

import sys
import time

from reszoo.tuning.tune import tune
from tests.tuning.searches import Trainings


class Hanging(Trainings):
    """Trains until one job, then prints a line and waits for its end."""

    def __call__(self, job):
        if len(self.jobs) == int(sys.argv[3]):
            print("hanging", flush=True)
            time.sleep(600)
        return super().__call__(job)


if __name__ == "__main__":
    tune(sys.argv[1], out=sys.argv[2], runner=Hanging())
