"""The study command before TensorFlow starts."""

from __future__ import annotations

import pytest

from reszoo.cli.study import _check_write
from tests.cli.conftest import refused
from tests.report.sample_runs import finished_run
from tests.spec.test_saved_spec import saved

PRUNED = "{name: tiny, extends: resnet20, title: %s}"


@pytest.fixture
def run(tmp_path):
    run = finished_run(tmp_path / "run")
    run.model_path.touch()
    return run.path


@pytest.mark.parametrize("title", ["resnet20 without 2 of its blocks", "Another", "tiny"])
def test_a_pruned_network_replaces_no_other_one(reszoo, run, tmp_path, title):
    saved(tmp_path / "p.keras", PRUNED % title)
    result = reszoo("study", "lesion", run, "--write", "p.keras")
    refused(result, "not replaced", "--write", title, "p_2.keras")
    assert not (run / "study").exists()


def test_a_pruned_network_replaces_itself(run, tmp_path):
    saved(tmp_path / "p.keras", PRUNED % "tiny without 2 of its blocks")
    _check_write(tmp_path / "p.keras", str(run))
