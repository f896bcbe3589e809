"""Calibration and comparison images come from disjoint splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reszoo.data import ImageData, ImageFormat
from reszoo.data.open_data import open_data
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.exporting.export import _write_saved_model, export
from reszoo.exporting.export_job import ExportJob
from reszoo.exporting.inference_graph import build_inference_graph
from reszoo.exporting.measure_parity import measure_parity
from reszoo.exporting.sample_images import comparison_images, generated_images
from reszoo.inference.calibration import SampleImages, calibration_images, refuse_noise
from reszoo.inference.trained import TrainedModel
from reszoo.spec import load_target
from reszoo.spec.target import Calibration

from .conftest import TEST, TRAINING, digits

EIGHT = ImageFormat(8, 8, 1)


def rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def numbered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that are all different, smooth, and of two classes."""
    ramp = np.linspace(0, 100, 64).reshape(8, 8, 1)
    images = (ramp + np.arange(count)[:, None, None, None] % 155).astype(np.uint8)
    return images, np.arange(count) % 2


def test_calibration_draws_from_training_by_its_seed(data: ImageData) -> None:
    images, _ = digits()
    sample = calibration_images(data, EIGHT, Calibration(images=50)).images
    assert sample.shape == (52, 8, 8, 1) and sample.dtype == np.uint8
    assert rows(sample[:-2]) <= rows(images[TRAINING])
    again = calibration_images(data, EIGHT, Calibration(images=50)).images
    np.testing.assert_array_equal(sample, again)
    other = calibration_images(data, EIGHT, Calibration(images=50, seed=1)).images
    assert rows(other) != rows(sample)


def test_calibration_always_has_a_black_and_a_white_image(data: ImageData) -> None:
    black, white = calibration_images(data, EIGHT, Calibration(images=3)).images[-2:]
    assert (black == 0).all() and (white == 255).all()


def test_comparison_draws_from_the_test_split(data: ImageData) -> None:
    images, labels = digits()
    sample = comparison_images(data, EIGHT, 1000)
    np.testing.assert_array_equal(sample.images, images[TEST])
    np.testing.assert_array_equal(sample.labels, labels[TEST])
    assert sample.source == "arrays, test: 360 of 360 images"
    assert len(comparison_images(data, EIGHT, 40).images) == 40


@pytest.mark.parametrize(("count", "images"), [(21, 21), ("all", 10_000)])
def test_comparison_is_spread_evenly_and_all_is_at_most_10_000(count, images) -> None:
    numbers = np.arange(10_001)
    pixels = np.zeros((10_001, 8, 8, 1), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 1, 0] = numbers // 256, numbers % 256
    train, test = (pixels[:20], numbers[:20] % 2), (pixels, numbers % 2)
    sample = comparison_images(open_data({"train": train, "test": test}), EIGHT, count)
    drawn = sample.images[:, 0, 0, 0].astype(int) * 256 + sample.images[:, 0, 1, 0]
    np.testing.assert_array_equal(drawn, np.linspace(0, 10_000, images).astype(int))
    np.testing.assert_array_equal(sample.labels, drawn % 2)


@pytest.mark.parametrize("validation", [None, {"fraction": 0.2, "seed": 3}])
def test_without_a_test_split_no_image_both_calibrates_and_compares(
    validation: dict[str, float] | None,
) -> None:
    images, labels = numbered(150)
    data = open_data((images, labels))
    compared = comparison_images(data, EIGHT, 1000, validation=validation).images
    calibrated = calibration_images(
        data, EIGHT, Calibration(images=1000), validation=validation
    ).images[:-2]
    assert not rows(compared) & rows(calibrated)
    held_out = stratified_holdout(labels, **(validation or {"fraction": 0.1, "seed": 0}))[1]
    np.testing.assert_array_equal(compared, images[held_out])
    assert len(compared) + len(calibrated) == 150


def test_images_held_out_by_a_run_do_not_calibrate(data: ImageData) -> None:
    labels = data.split("train").labels
    kept, _ = stratified_holdout(labels, 0.1, 5)
    images = calibration_images(
        data, EIGHT, Calibration(images=5000), validation={"fraction": 0.1, "seed": 5}
    ).images
    assert len(images) == len(kept) + 2


def test_noise_and_blank_images_are_refused_and_digits_are_not() -> None:
    generator = np.random.default_rng(0)
    for noise in (
        generator.integers(0, 256, (100, 8, 8, 1)),
        generator.normal(128, 40, (20, 32, 32, 3)),
    ):
        with pytest.raises(UserError, match="unrelated"):
            refuse_noise(noise)
    with pytest.raises(UserError, match="one colour"):
        refuse_noise(np.full((10, 8, 8, 1), 7, np.uint8))
    refuse_noise(digits()[0][:100])
    refuse_noise(generated_images(ImageFormat(32, 32, 3)).images)


def test_int8_without_data_is_refused_before_anything_is_written(
    nets: dict[str, TrainedModel], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="calibrate") as refused:
        export(nets["residual"], "mobile-int8", out=tmp_path / "bundle")
    assert "--data" in refused.value.hint
    assert not any(tmp_path.iterdir())


def test_int8_calibrated_on_noise_is_refused(nets: dict[str, TrainedModel], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1), np.uint8)
    with pytest.raises(UserError, match="cannot calibrate"):
        export(
            nets["residual"],
            "mobile-int8",
            out=tmp_path / "bundle",
            data=(noise, np.arange(100) % 10),
        )


def test_a_saved_model_is_compared_on_images_of_every_class(
    nets: dict[str, TrainedModel], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images, labels = digits()
    order = np.argsort(labels, kind="stable")  # as in a folder of classes
    samples = SampleImages(images[order], labels[order], "sorted")
    network = build_inference_graph(nets["residual"])
    compared = []

    class Spy:
        def __init__(self, path: Path) -> None:
            pass

        def probabilities(self, pixels: np.ndarray) -> np.ndarray:
            compared.append(pixels)
            return np.exp(network.log_probabilities(pixels))

    monkeypatch.setattr("reszoo.exporting.export.LoadedSavedModel", Spy)
    monkeypatch.setattr("reszoo.exporting.export.write_saved_model", lambda *arguments: None)
    job = ExportJob(network, load_target("server"), samples, None)
    expected = network.log_probabilities(samples.images)
    file = _write_saved_model(job, expected, tmp_path)
    np.testing.assert_array_equal(compared[0], samples.images[file.rows])
    assert len(file.rows) == 100 and set(samples.labels[file.rows]) == set(range(10))
    [comparison] = measure_parity(job, expected, [file], tmp_path).comparisons
    assert comparison.images == 100 and comparison.agreement == 1
