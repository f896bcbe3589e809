from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import reszoo.data.pipeline.batches as batches_module
from reszoo.data import ImageFormat
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches, fits_in_memory
from reszoo.spec.augmentation import (
    Augmentation,
    RandAugment,
    RandomErasing,
    RandomResizedCrop,
    ScaleJitter,
)
from tests.data.conftest import encoded, picture

EIGHT = ImageFormat(8, 8, 1)
EVERYTHING = Augmentation(flip=True, shift=1, crop_padding=2, crop_fill="reflect", cutout=3)


def read(split, image_format=EIGHT, **options):
    parts = list(batches(split, image_format, **{"batch_size": 32, **options}).as_numpy_iterator())
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory, data_dir):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(24):
        path = folder / f"train/{number % 2}/{number}.{'jpg' if number % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        form = "JPEG" if number % 3 else "PNG"
        path.write_bytes(encoded(picture(number, 20 + number, 30), form))
    (folder / "test").mkdir()
    for name in "01":
        (folder / "test" / name).mkdir()
        (folder / "test" / name / "0.png").write_bytes(encoded(picture()))
    return open_data(f"folder:{folder}", data_dir=data_dir)


def test_without_a_seed_the_order_is_the_splits_own(digits):
    split = digits.split("test")
    _, labels = read(split)
    np.testing.assert_array_equal(labels, split.labels)


def test_a_seed_permutes_every_epoch_anew(digits):
    split = digits.split("test")
    orders = [read(split, seed=seed, epoch=epoch)[0] for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    everything = sorted(image.tobytes() for image in read(split)[0])
    for images in orders:
        assert sorted(image.tobytes() for image in images) == everything
    assert not any(np.array_equal(orders[i], orders[j]) for i, j in [(0, 1), (0, 2), (1, 2)])
    np.testing.assert_array_equal(orders[0], read(split, seed=0, epoch=0)[0])


@pytest.mark.parametrize("in_memory", [True, False])
def test_starting_late_gives_the_rest_of_the_epoch(digits, in_memory):
    split = digits.split("test")
    options = {"seed": 3, "epoch": 2, "augmentation": EVERYTHING, "in_memory": in_memory}
    images, labels = read(split, **options)
    late_images, late_labels = read(split, start=4, **options)
    np.testing.assert_array_equal(late_images, images[4 * 32 :])
    np.testing.assert_array_equal(late_labels, labels[4 * 32 :])
    assert not list(batches(split, EIGHT, batch_size=32, start=12, **options))


@pytest.mark.parametrize("augmentation", [None, EVERYTHING])
def test_memory_and_stream_give_the_same_pixels(photos, augmentation):
    image_format = ImageFormat(16, 16, 3)
    options = {"seed": 5, "epoch": 1, "augmentation": augmentation, "fill": (1, 2, 3)}
    memory, stream = (
        read(photos.split(), image_format, batch_size=5, in_memory=choice, **options)
        for choice in (True, False)
    )
    np.testing.assert_array_equal(memory[0], stream[0])
    np.testing.assert_array_equal(memory[1], stream[1])


def test_an_image_looks_the_same_in_a_subset_of_the_split(digits):
    # Its draws come from where it stands in the data, not from who else is in the split.
    split = digits.split("test")
    options = {"seed": 1, "augmentation": Augmentation(shift=2)}
    whole = {image.tobytes() for image in read(split, **options)[0]}
    part = {image.tobytes() for image in read(split.subset(np.arange(0, 360, 2)), **options)[0]}
    assert part <= whole


def test_augmentation_changes_with_the_epoch(digits):
    split = digits.split("test").subset(np.arange(20))
    first, second = (
        {i.tobytes() for i in read(split, seed=1, epoch=epoch, augmentation=EVERYTHING)[0]}
        for epoch in (0, 1)
    )
    assert len(first & second) < 5


def test_resized_crops_are_parts_of_the_image_and_repeat(photos):
    image_format = ImageFormat(12, 12, 3)
    recipe = Augmentation(resized_crop=RandomResizedCrop(area=(0.2, 0.6)), flip=True)
    options = {"batch_size": 5, "seed": 2, "augmentation": recipe}
    images, labels = read(photos.split(), image_format, **options)
    assert (images.shape, images.dtype) == ((24, 12, 12, 3), np.uint8)
    np.testing.assert_array_equal(images, read(photos.split(), image_format, **options)[0])
    np.testing.assert_array_equal(labels, read(photos.split(), image_format, seed=2)[1])
    np.testing.assert_array_equal(
        images[15:], read(photos.split(), image_format, start=3, **options)[0]
    )
    plain = read(photos.split(), image_format, seed=2)[0]
    assert np.abs(images.astype(int) - plain).mean() > 5


LIVELY = Augmentation(
    flip="alternating",
    resized_crop=RandomResizedCrop(area=(0.3, 0.9)),
    randaugment=RandAugment(layers=2, magnitude=7, deviation=0.5),
    lighting=0.1,
    erasing=RandomErasing(probability=0.5),
    mixup=0.2,
    cutmix=1.0,
    repeats=3,
)


@pytest.mark.parametrize("crop", ["resized_crop", "scale_jitter", None])
def test_a_lively_recipe_is_a_pure_function_and_shared_out(photos, crop):
    image_format = ImageFormat(12, 12, 3)
    crops = {"resized_crop": LIVELY.resized_crop, "scale_jitter": None}
    if crop != "resized_crop":
        crops = {"resized_crop": None, "scale_jitter": ScaleJitter(shorter_side=(12, 20))}
    if crop is None:
        crops = {"resized_crop": None, "scale_jitter": None}
    recipe = LIVELY.model_copy(update=crops)
    options = {"batch_size": 8, "seed": 2, "epoch": 1, "augmentation": recipe}
    options |= {"drop_remainder": True, "fill": (90, 100, 110)}
    images, targets = read(photos.split(), image_format, **options)
    assert (images.shape, targets.shape) == ((24, 12, 12, 3), (24, 2))
    assert len({image.tobytes() for image in images}) == 24
    late = read(photos.split(), image_format, start=2, **options)
    np.testing.assert_array_equal(late[0], images[16:])
    np.testing.assert_array_equal(late[1], targets[16:])
    parts = [read(photos.split(), image_format, share=(worker, 2), **options) for worker in (0, 1)]
    for column, whole in enumerate((images, targets)):
        joined = np.stack([part[column].reshape(3, 4, *whole.shape[1:]) for part in parts], 1)
        np.testing.assert_array_equal(joined.reshape(whole.shape), whole)
    stream = read(photos.split(), image_format, in_memory=False, **options)
    np.testing.assert_array_equal(stream[0], images)


def test_alternating_flips_while_decoding_mirror_every_other_epoch(photos):
    # All of the area at 1:1 is the whole image, so that only flips are left.
    image_format = ImageFormat(16, 16, 3)
    crop = RandomResizedCrop(area=(1.0, 1.0), ratio=(0.01, 0.01))  # never fits: the central part
    recipe = Augmentation(flip="alternating", resized_crop=crop)
    split, every = photos.split(), []
    for epoch in range(3):
        images, _ = read(split, image_format, seed=4, epoch=epoch, augmentation=recipe)
        order = np.random.default_rng([4, epoch]).permutation(24)
        every.append(images[np.argsort(order)])
    np.testing.assert_array_equal(every[1], every[0][:, :, ::-1])
    np.testing.assert_array_equal(every[2], every[0])


def test_a_resized_crop_of_everything_is_the_resized_image(photos):
    # All of the area at the image's own ratio: 30 x 20 pixels is number 0.
    image_format = ImageFormat(20, 30, 3)
    recipe = Augmentation(resized_crop=RandomResizedCrop(area=(1.0, 1.0), ratio=(1.5, 1.5)))
    first = next(i for i, size in enumerate(sizes(photos)) if size == (20, 30))
    split = photos.split().subset([first])
    cropped = read(split, image_format, seed=0, augmentation=recipe)[0]
    np.testing.assert_array_equal(cropped, read(split, image_format)[0])


def sizes(data):
    split = data.split()
    element = data.source.features(split.indices, {"height": "int64", "width": "int64"})
    return list(
        zip(element["height"].numpy().tolist(), element["width"].numpy().tolist(), strict=True)
    )


def test_remainder_is_kept_or_dropped(digits):
    split = digits.split("test")
    for drop, expected in [(False, [100, 100, 100, 60]), (True, [100, 100, 100])]:
        dataset = batches(split, EIGHT, batch_size=100, drop_remainder=drop)
        assert [len(labels) for _, labels in dataset] == expected
        assert int(dataset.cardinality()) == len(expected)
        assert dataset.element_spec[0].shape.as_list() == [100 if drop else None, 8, 8, 1]


def test_images_leave_as_bytes_and_labels_as_int32(digits):
    images, labels = batches(digits.split(), EIGHT, batch_size=4).element_spec
    assert (images.dtype.name, labels.dtype.name) == ("uint8", "int32")


def test_a_split_is_decoded_once(digits, monkeypatch):
    split = digits.split("test")
    read(split, seed=0)

    def decoded_again(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(batches_module, "_decode_split", decoded_again)
    read(split, seed=1, epoch=3)


def test_large_splits_stream(digits, monkeypatch):
    split = digits.split("test")
    assert fits_in_memory(split, EIGHT)
    monkeypatch.setattr(batches_module, "MEMORY_BYTES", 360 * 64 - 1)
    assert not fits_in_memory(split, EIGHT)
    read(split, seed=0)
    assert not split.decoded


def test_augmentation_without_a_seed_is_a_mistake_of_the_program(digits):
    with pytest.raises(ValueError, match="seed"):
        batches(digits.split(), EIGHT, batch_size=4, augmentation=EVERYTHING)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("workers", [2, 3])
def test_the_workers_parts_together_are_the_whole_batches(digits, workers, in_memory):
    options = {"batch_size": 12, "seed": 4, "epoch": 1, "start": 2, "augmentation": EVERYTHING}
    options |= {"in_memory": in_memory, "drop_remainder": True}
    split = digits.split("test").subset(np.arange(100))
    whole = list(batches(split, EIGHT, **options).as_numpy_iterator())
    parts = [
        list(batches(split, EIGHT, share=(worker, workers), **options).as_numpy_iterator())
        for worker in range(workers)
    ]
    assert [len(part) for part in parts] == [len(whole)] * workers == [6] * workers
    for step, batch in enumerate(whole):
        for column, expected in enumerate(batch):
            joined = np.concatenate([part[step][column] for part in parts])
            np.testing.assert_array_equal(joined, expected)


def test_a_worker_decodes_only_its_own_images(photos, monkeypatch):
    split, read_from_disk = photos.split(), []
    load = type(split.source).load

    def counted(source, indices):
        def note(chunk):
            read_from_disk.extend(chunk.tolist())
            return chunk

        return load(source, tf.ensure_shape(tf.numpy_function(note, [indices], tf.int64), [None]))

    monkeypatch.setattr(type(split.source), "load", counted)
    image_format = ImageFormat(16, 16, 3)
    options = {"batch_size": 8, "seed": 0, "drop_remainder": True, "in_memory": False}
    read(split, image_format, share=(1, 4), **options)
    assert len(read_from_disk) == len(set(read_from_disk)) == 24 // 4


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_padded_batches_are_full_and_count_every_example_once(digits, workers):
    split = digits.split("test").subset(np.arange(33))
    parts = [
        list(
            batches(
                split, EIGHT, batch_size=20, pad=True, share=(worker, workers)
            ).as_numpy_iterator()
        )
        for worker in range(workers)
    ]
    assert [len(part) for part in parts] == [2] * workers
    seen = []
    for step in range(2):
        images, labels, weights = (
            np.concatenate([part[step][column] for part in parts]) for column in range(3)
        )
        assert images.shape == (20, 8, 8, 1)
        assert weights.dtype == np.float32
        seen.append((images[weights == 1], labels[weights == 1]))
        assert set(weights.tolist()) <= {0.0, 1.0}
    plain = read(split)
    for column in range(2):
        np.testing.assert_array_equal(np.concatenate([s[column] for s in seen]), plain[column])


@pytest.mark.parametrize("in_memory", [True, False])
def test_iterators_end_at_once(digits, in_memory):
    """tf.data's autotuning may delay their end by as long as they lived; see `tfdata_options`."""
    dataset = batches(digits.split("test"), EIGHT, batch_size=32, pad=True, in_memory=in_memory)
    assert dataset.options().autotune.enabled is False


def test_batches_that_do_not_divide_are_a_mistake_of_the_program(digits):
    split = digits.split("test")
    with pytest.raises(ValueError, match="does not divide over 3"):
        batches(split, EIGHT, batch_size=32, share=(0, 3), drop_remainder=True)
    with pytest.raises(ValueError, match="drop the remainder or pad"):
        batches(split, EIGHT, batch_size=32, share=(0, 2))
