"""Files on which LiteRT crashes are refused in a sentence; those of a bundle are not tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.exporting.benchmark import benchmark
from reszoo.inference.predict import predict
from reszoo.tflite import trial_run
from reszoo.tflite.contract_file import sha256_of
from reszoo.tflite.trial_run import require_runnable
from tests.tflite.handmade import Tensor, write_tflite

IMAGE, ANSWER = Tensor((1, 8, 8, 1), "FLOAT32"), Tensor((1, 10), "FLOAT32")
# LiteRT 2.3 reads the axis, the second input, without looking whether it is there.
CRASH = write_tflite([IMAGE, ANSWER], [("SPLIT", (0,), (1,))], (0,), (1,))


@pytest.fixture
def crash(tmp_path: Path) -> Path:
    path = tmp_path / "crash.tflite"
    path.write_bytes(CRASH)
    return path


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trial_run, "_try")


@pytest.mark.parametrize(
    "use", [require_runnable, benchmark, lambda path: predict(path, [path.with_name("a.png")])]
)
def test_a_file_that_would_end_this_process_is_refused(crash: Path, use: object) -> None:
    with pytest.raises(UserError, match="does not run in LiteRT") as refused:
        use(crash)
    assert refused.value.found == "a file that ends its process (SIGSEGV) in a trial"


def test_a_file_that_takes_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "slow.tflite"
    side = (1, 5000, 5000)
    tensors = [Tensor(side, "FLOAT32")] * 3
    path.write_bytes(write_tflite(tensors, [("BATCH_MATMUL", (0, 1), (2,))], (0, 1), (2,)))
    monkeypatch.setattr(trial_run, "_CPU_SECONDS", 1)
    with pytest.raises(UserError) as refused:
        require_runnable(path)
    assert "takes more than 1 seconds of CPU time" in refused.value.found
    monkeypatch.setattr(trial_run, "_SECONDS", 0.01)
    trial_run._try.cache_clear()
    with pytest.raises(UserError) as refused:
        require_runnable(path)
    assert "takes more than 0.01 seconds in a trial" in refused.value.found


def test_what_litert_refuses_itself_is_left_to_the_one_who_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(write_tflite([IMAGE, ANSWER], [("MyOperator", (0,), (1,))], (0,), (1,)))
    require_runnable(path)


def test_a_file_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "relu.tflite"
    path.write_bytes(write_tflite([IMAGE, IMAGE], [("RELU", (0,), (1,))], (0,), (1,)))
    require_runnable(path)
    monkeypatch.delattr(trial_run.subprocess, "run")
    require_runnable(path)
    path.write_bytes(CRASH)
    with pytest.raises(AttributeError, match="run"):
        require_runnable(path)


@pytest.mark.usefixtures("no_trial")
def test_a_damaged_file_is_refused_without_a_trial(tmp_path: Path) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(CRASH[:100])
    with pytest.raises(UserError, match="is damaged"):
        require_runnable(path)


@pytest.mark.usefixtures("no_trial")
def test_a_file_of_a_bundle_is_known_by_its_hash(crash: Path) -> None:
    contract = {"format": "reszoo contract", "format_version": 2, "sha256": {}}
    beside = crash.with_name("contract.json")
    for content in (json.dumps(contract), "{"):  # of another file, and damaged
        beside.write_text(content)
        with pytest.raises(NameError, match="_try"):
            require_runnable(crash)
    contract["sha256"] = {crash.name: sha256_of(crash)}
    beside.write_text(json.dumps(contract))
    require_runnable(crash)
