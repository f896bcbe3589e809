"""A failure while a bundle is written leaves nothing under its name."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from reszoo.data import ImageData
from reszoo.errors import MachineError, UserError
from reszoo.exporting import Bundle
from reszoo.exporting.export import export
from reszoo.inference.trained import TrainedModel
from reszoo.stderr import quiet


def fail(error: BaseException) -> Any:
    def function(*arguments: Any, **options: Any) -> None:
        raise error

    return function


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FULL_IN_TENSORFLOW = tf.errors.ResourceExhaustedError(None, None, "x.tmp; No space left on device")


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("reszoo.exporting.export.write_json", FULL),
        pytest.param(
            "reszoo.exporting.golden_example.Image.Image.save", FULL, marks=pytest.mark.slow
        ),
        ("tensorflow.saved_model.save", FULL_IN_TENSORFLOW),
    ],
)
def test_full_disk_leaves_nothing(
    nets: dict[str, TrainedModel],
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: BaseException,
) -> None:
    monkeypatch.setattr(place, fail(error))
    with pytest.raises(MachineError, match="No space left"):
        export(nets["residual"], "server", out=tmp_path / "bundle", data=data)
    assert not any(tmp_path.iterdir())


def test_interrupt_leaves_an_older_bundle_as_it_was(
    nets: dict[str, TrainedModel],
    bundle_of: Callable[[str, str], Bundle],
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = shutil.copytree(bundle_of("residual", "server").path, tmp_path / "bundle")
    before = (bundle / "contract.json").read_bytes()
    monkeypatch.setattr("reszoo.exporting.export.build_contract", fail(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        export(nets["highway"], "server", out=tmp_path / "bundle", data=data)
    assert (bundle / "contract.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_folder_that_is_not_a_bundle_is_never_replaced(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a bundle"):
        export(nets["residual"], "server", out=tmp_path, data=data)
    with pytest.raises(UserError, match="is not a bundle"):
        export(nets["residual"], "server", out=tmp_path / "diary.txt", data=data)
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_layer_without_a_tflite_operator_is_one_clear_error(
    data: ImageData, tmp_path: Path
) -> None:
    class Bessel(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return tf.math.special.bessel_i0(inputs / 255)

    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(Bessel()(inputs)))
    model = keras.Model(inputs, outputs)
    with pytest.raises(UserError, match="cannot be converted") as refused:
        export(model, "mobile-float32", out=tmp_path / "bundle", data=data)
    assert "BesselI0" in refused.value.found
    assert not any(tmp_path.iterdir())


def test_output_of_tensorflow_is_hidden_but_kept_for_errors() -> None:
    program = """
import os
from reszoo.stderr import quiet
with quiet():
    os.write(2, b"noise")
try:
    with quiet():
        os.write(2, b"the reason")
        raise ValueError("failed")
except ValueError as error:
    print(error.__notes__)
os.write(2, b"heard")
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stdout == "['the reason']\n"
    assert process.stderr.endswith("heard")
    assert "noise" not in process.stderr and "reason" not in process.stderr


def test_quiet_restores_the_log_level_after_an_error() -> None:
    import logging

    level = logging.getLogger("tensorflow").level
    with pytest.raises(ValueError), quiet():
        raise ValueError
    assert logging.getLogger("tensorflow").level == level
