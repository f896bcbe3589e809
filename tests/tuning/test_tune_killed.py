"""kill -9 in the middle of a trial: the same command goes on and proposes the same candidates."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reszoo.tuning.tune import tune
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, write


def _killed(file, out, hangs_at: int) -> None:
    words = [sys.executable, "-m", "tests.tuning.killed_search", str(file), str(out), str(hangs_at)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.kill()


@pytest.mark.parametrize(("text", "hangs_at"), [(SEARCH, 2), (HYPERBAND, 10)])
def test_a_killed_search_goes_on_with_the_same_proposals(tmp_path, text, hangs_at):
    file = write(tmp_path, text)
    whole = tune(file, out=tmp_path / "whole", runner=Trainings())
    _killed(file, tmp_path / "killed", hangs_at)
    trainings = Trainings()
    result = tune(file, out=tmp_path / "killed", runner=trainings)
    # The trial in which it was killed is asked for again: its run folder resumes.
    assert [(job.trial, job.epochs) for job in trainings.jobs] == [
        (record.trial, record.epochs) for record in whole.records[hangs_at:]
    ]
    assert result.records == whole.records
    assert (result.path / "best.yaml").read_bytes() == (whole.path / "best.yaml").read_bytes()
