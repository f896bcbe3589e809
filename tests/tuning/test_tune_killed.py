"""A search that was killed, or whose disk was full, goes on with the same candidates."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from reszoo.errors import MachineError
from reszoo.runs.jsonl import read_lines
from reszoo.tuning.tune import tune
from tests.tuning.searches import HYPERBAND, SEARCH, Trainings, write


def _killed(file, out, hangs_at: int) -> None:
    words = [sys.executable, "-m", "tests.tuning.killed_search", str(file), str(out), str(hangs_at)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.kill()


@pytest.mark.parametrize(
    ("text", "hangs_at"), [pytest.param(SEARCH, 2, marks=pytest.mark.slow), (HYPERBAND, 10)]
)
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


def _full_disk(file, line: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("takes_a_part", [False, True])
@pytest.mark.parametrize(("text", "full_at"), [(SEARCH, 2), (HYPERBAND, 10)])
def test_a_search_goes_on_once_a_full_disk_has_space(
    tmp_path, monkeypatch, text, full_at, takes_a_part
):
    file = write(tmp_path, text)
    whole = tune(file, out=tmp_path / "whole", runner=Trainings())
    out, write_bytes = tmp_path / "full", os.write

    class FullDisk(Trainings):
        def __call__(self, job):
            if len(self.jobs) == full_at:  # its row finds no space
                part = lambda file, line: write_bytes(file, line[:7])  # noqa: E731
                monkeypatch.setattr(os, "write", part if takes_a_part else _full_disk)
            return super().__call__(job)

    with pytest.raises(MachineError, match="No space left"):
        tune(file, out=out, runner=FullDisk())
    monkeypatch.setattr(os, "write", write_bytes)
    assert len(read_lines(out / "trials.jsonl")) == full_at
    result = tune(file, out=out, runner=Trainings())
    assert result.records == whole.records
    assert len(read_lines(out / "trials.jsonl")) == len(whole.records)
