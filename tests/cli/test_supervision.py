"""`--supervise`, `--checkpoint-every` and `--keep-checkpoints`, in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from reszoo.runs import Run
from tests.cli.conftest import refused

WORDS = ("--epochs", 1, "--checkpoint-every", "20steps", "--keep-checkpoints", 3)


def test_a_supervised_training_is_an_ordinary_run(reszoo, tiny, tmp_path, capfd):
    command = ("train", tiny, *WORDS, "--supervise")
    assert reszoo(*command).code == 0
    captured = capfd.readouterr()
    assert "runs/tiny-digits-1/model.keras" in captured.out
    run = Run.open(tmp_path / "runs" / "tiny-digits-1")
    assert run.state == "finished"
    assert run.info["running"] == {"checkpoint_every": "20steps", "keep_checkpoints": 3}
    assert "--supervise" not in run.info["command"]
    # The same words again, as a fleet would say them, find nothing left to do.
    assert reszoo(*command, "-o", run.path.relative_to(tmp_path)).code == 0
    assert len(run.timing()) == 1


def test_what_is_wrong_is_said_at_once_and_leaves_no_folder(reszoo, tiny, tmp_path, capfd):
    assert reszoo("train", tiny, "--data", "digitz", "--supervise").code == 2
    assert "digitz" in capfd.readouterr().err
    assert list((tmp_path / "runs").iterdir()) == []


def test_another_command_does_not_go_on_with_a_run(reszoo, tiny, run_folder):
    result = reszoo("train", tiny, "--epochs", 9, "--supervise", "-o", run_folder)
    refused(result, "another command started it", "--epochs 2", "reszoo resume")


def test_there_must_be_a_run_to_supervise(reszoo):
    refused(reszoo("resume", "nothing", "--supervise"), "there is no run folder nothing")


@pytest.mark.parametrize("word", ["often", "0", "5m"])
def test_a_cadence_that_is_none_is_refused(reszoo, tiny, word):
    refused(reszoo("train", tiny, "--checkpoint-every", word), "500steps", word)


def test_several_workers_need_to_know_their_folder(reszoo, tiny, monkeypatch):
    cluster = {"worker": ["localhost:1111", "localhost:1112"]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    refused(reszoo("train", tiny, "--supervise"), "run folder", "-o")


def test_the_supervisor_needs_no_tensorflow(tiny):
    program = (
        "import sys\n"
        "from reszoo.runs import supervise\n"
        "supervise.module_command = lambda module, *words: ['true']\n"
        "from reszoo.cli import main\n"
        f"code = main(['train', {str(tiny)!r}, '--supervise', '-o', 'somewhere'])\n"
        "print(code, {'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tiny.parent,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=False,
    )
    assert done.stdout == "0 set()\n", done.stderr
