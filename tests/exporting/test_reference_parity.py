"""Files for microcontrollers are compared under the kernels that microcontrollers compute with."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from reszoo.data import ImageData
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.inference.trained import TrainedModel
from reszoo.spec import load_target
from reszoo.spec.target import Target
from reszoo.tflite.micro_outputs import micro_outputs

INSTALLED = importlib.util.find_spec("tflite_micro") is not None


def integer_target() -> Target:
    """`mobile-int8` with int8 at both ends, as for a microcontroller."""
    ends = {"name": "integer", "input": "int8", "output": "int8"}
    return load_target("mobile-int8").model_copy(update=ends)


@pytest.fixture(scope="module")
def bundle(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    out = tmp_path_factory.mktemp("integer") / "bundle"
    return export(nets["residual"], integer_target(), out=out, data=data)


def test_reference_kernels_are_compared_with_keras_on_200_images(bundle: Bundle) -> None:
    assert bundle.parity.comparison("tflite").images == 360
    reference = bundle.parity.comparison("tflite_reference")
    assert reference.images == 200 and reference.agreement > 0.95
    assert [check.name for check in reference.checks] == ["min_agreement", "max_accuracy_drop"]
    xnnpack = bundle.parity.kernels[0]
    assert (xnnpack.runtime, xnnpack.images) == ("XNNPACK", 200)
    # Other roundings, so that some answers differ, by few steps.
    assert 0 < xnnpack.identical < 1 and 1 <= xnnpack.greatest_steps <= 16
    report = bundle.report.read_text()
    assert "| TFLite, reference kernels | 200 |" in report
    assert "## Other kernels against the reference kernels" in report
    content = json.loads((bundle.path / "parity.json").read_text())
    assert content["kernels"][0]["runtime"] == "XNNPACK"


def test_phones_are_not_compared_with_reference_kernels() -> None:
    assert integer_target().is_integer_only
    assert not load_target("mobile-int8").is_integer_only


@pytest.mark.skipif(not INSTALLED, reason="needs the package tflite-micro")
def test_tflite_micro_answers_as_the_reference_kernels(bundle: Bundle) -> None:
    micro = bundle.parity.kernels[1]
    assert micro.runtime.startswith("TFLite-Micro ")
    assert micro.identical >= 0.98 and micro.greatest_steps <= 1
    assert bundle.parity.comparison("tflite_micro").images == 200


@pytest.mark.skipif(not INSTALLED, reason="needs the package tflite-micro")
def test_file_that_tflite_micro_refuses_is_a_reason_and_no_crash() -> None:
    reason = micro_outputs(b"no model at all", np.zeros((1, 8, 8, 1), np.int8))
    assert isinstance(reason, str) and "refused the file" in reason


def test_without_the_wheel_the_report_says_so(
    nets: dict[str, TrainedModel],
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reszoo.tflite.micro_outputs.is_installed", lambda: False)
    bundle = export(nets["residual"], integer_target(), out=tmp_path / "bundle", data=data)
    assert bundle.parity.comparison("tflite_micro") is None
    assert len(bundle.parity.kernels) == 1
    assert "its package is not installed" in bundle.report.read_text()
