from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.data.open_data import open_data
from reszoo.data.pipeline import data_service
from reszoo.data.pipeline.batches import batches
from reszoo.errors import MachineError, UserError
from reszoo.spec.augmentation import Augmentation, RandAugment, RandomResizedCrop
from tests.data.conftest import encoded, picture

TWELVE = ImageFormat(12, 12, 3)
RECIPE = Augmentation(
    flip=True, resized_crop=RandomResizedCrop(), randaugment=RandAugment(), cutmix=1.0, cutout=3
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory, data_dir):
    folder = tmp_path_factory.mktemp("served")
    for number in range(20):
        path = folder / f"{number % 2}/{number}.{'jpg' if number % 3 else 'png'}"
        path.parent.mkdir(exist_ok=True)
        form = "JPEG" if number % 3 else "PNG"
        path.write_bytes(encoded(picture(number, 20 + number, 30), form))
    return open_data(f"folder:{folder}", data_dir=data_dir).split("all")


@pytest.fixture(scope="module")
def address():
    """A dispatcher and two workers in this process."""
    dispatcher = tf.data.experimental.service.DispatchServer()
    config = tf.data.experimental.service.WorkerConfig(dispatcher.target.split("://")[1])
    workers = [tf.data.experimental.service.WorkerServer(config) for _ in range(2)]
    yield dispatcher.target
    del workers


def read(split, **options):
    options = {"batch_size": 4, "seed": 3, "epoch": 1, "augmentation": RECIPE, **options}
    parts = list(batches(split, TWELVE, **options).as_numpy_iterator())
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start": 2},
        {"share": (1, 2), "drop_remainder": True},
        {"augmentation": None, "seed": None, "pad": True, "in_memory": False, "batch_size": 6},
    ],
)
def test_served_batches_are_those_decoded_here(photos, address, options):
    here, there = read(photos, **options), read(photos, data_service=address, **options)
    assert len(here) == len(there)
    for own, served in zip(here, there, strict=True):
        np.testing.assert_array_equal(own, served)


def test_what_arrives_in_any_order_twice_or_not_at_all_comes_in_order():
    arriving = [(step, f"sent {step}") for step in (2, 0, 2, 3, 0, 6)]
    made = list(data_service.reorder(arriving, 8, lambda step: (f"made {step}",)))
    assert made == [(f"{'sent' if step in (0, 2, 3, 6) else 'made'} {step}",) for step in range(8)]


def test_a_lost_batch_is_not_waited_for_until_the_end(monkeypatch):
    monkeypatch.setattr(data_service, "_MAX_AHEAD", 3)
    taken = []

    def arriving():
        for step in range(1, 100):
            taken.append(step)
            yield step, step

    first = next(data_service.reorder(arriving(), 100, lambda step: ("made", step)))
    assert first == ("made", 0)
    assert len(taken) == 4


def test_a_batch_made_here_is_the_one_that_was_lost(photos, address, monkeypatch):
    expected = read(photos)
    monkeypatch.setattr(
        data_service, "reorder", lambda arriving, steps, make: map(make, range(steps))
    )
    for own, served in zip(expected, read(photos, data_service=address), strict=True):
        np.testing.assert_array_equal(own, served)


def test_images_in_memory_are_not_served(address):
    data = open_data((np.zeros((8, 12, 12, 3), np.uint8), np.arange(8) % 2))
    with pytest.raises(UserError, match="cannot read these data"):
        read(data.split(), data_service=address)


@pytest.mark.parametrize("wrong", ["localhost:5000", "grpc://localhost", "grpc://:x"])
def test_a_malformed_address_is_refused(photos, wrong):
    with pytest.raises(UserError, match="is not the address"):
        read(photos, data_service=wrong)


def test_a_service_that_does_not_answer_is_refused(photos):
    with pytest.raises(MachineError, match="no data service answers at grpc://localhost:1 "):
        read(photos, data_service="grpc://localhost:1")
