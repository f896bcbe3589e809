"""The study command before TensorFlow starts, and where it is stopped."""

from __future__ import annotations

import argparse
import signal

import pytest

from reszoo.cli.program import full_parser
from reszoo.cli.study import OPTIONS
from reszoo.studies.pruned_file import check_pruned_file
from reszoo.training import TrainingStopped
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


def test_a_pruned_network_replaces_itself(tmp_path):
    saved(tmp_path / "p.keras", PRUNED % "tiny without 2 of its blocks")
    check_pruned_file(tmp_path / "p.keras", "tiny")


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        TrainingStopped("stopped", hint="resume the run", signal_number=signal.SIGINT),
    ],
)
def test_a_stopped_study_says_that_the_same_command_resumes_it(reszoo, monkeypatch, error):
    def stop(**_):
        raise error

    monkeypatch.setattr("reszoo.studies.boosting_study.boosting", stop)
    result = reszoo("study", "boosting", "--epochs", "2")
    assert result.code == 130
    again = "the same command resumes the study: reszoo study boosting --epochs 2"
    assert again in result.err and "resume the run" not in result.err


def test_help_says_which_studies_take_an_option():
    commands = full_parser()._actions
    study = next(a for a in commands if isinstance(a, argparse._SubParsersAction)).choices["study"]
    for group in study._action_groups:
        for action in group._group_actions:
            taking = {name for name, options in OPTIONS.items() if action.dest in options}
            if taking != set(group.title.split(", ")):
                assert all(name in action.help for name in taking), action
