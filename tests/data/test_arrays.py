from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.previews.contact_sheet import contact_sheet
from reszoo.data.previews.describe import describe
from reszoo.data.sources import arrays
from reszoo.errors import UserError
from tests.data.conftest import picture

IMAGES = np.stack([picture(seed, 8, 8) for seed in range(12)])
LABELS = np.arange(12) % 3


def read(data, expression="train", image_format=None):
    image_format = image_format or ImageFormat(8, 8, 3)
    return next(batches(data.split(expression), image_format, batch_size=100).as_numpy_iterator())


@pytest.mark.parametrize(
    "pair",
    [
        (IMAGES, LABELS),
        (IMAGES.astype(np.float32), LABELS[:, None].astype(np.int64)),
        (list(IMAGES), np.eye(3)[LABELS]),
        tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)),
        tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(5),
        tf.data.Dataset.from_tensor_slices({"image": IMAGES, "label": LABELS}),
    ],
    ids=["uint8", "float", "one-hot", "dataset", "batched", "dictionary"],
)
def test_arrays_and_datasets_become_a_train_split(pair):
    data = open_data(pair)
    assert dict(data.splits) == {"train": 12}
    assert data.only_split == "train"
    assert (data.classes, data.channels, data.smallest) == (("0", "1", "2"), 3, (8, 8))
    images, labels = read(data)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_arrays_are_not_copied():
    data = open_data((IMAGES, LABELS))
    assert data.source.in_memory_array((8, 8, 3)) is IMAGES


def test_pairs_of_pairs_are_train_and_test():
    data = open_data(((IMAGES[:8], LABELS[:8]), (IMAGES[8:], LABELS[8:])))
    assert dict(data.splits) == {"train": 8, "test": 4}
    np.testing.assert_array_equal(read(data, "test")[0], IMAGES[8:])


def test_a_mapping_names_its_splits():
    data = open_data({"train": (IMAGES, LABELS), "extra": (IMAGES[:3], LABELS[:3])})
    np.testing.assert_array_equal(read(data, "extra")[0], IMAGES[:3])
    assert data.only_split is None


def test_words_become_classes():
    data = open_data((IMAGES, np.array(["b", "a", "c"])[LABELS]))
    assert data.classes == ("a", "b", "c")
    assert read(data)[1][:3].tolist() == [1, 0, 2]


def test_words_in_datasets_mean_the_same_class_in_every_split():
    words = np.array(["été", "a", "c"])[LABELS]
    train = tf.data.Dataset.from_tensor_slices((IMAGES, words))
    test = tf.data.Dataset.from_tensor_slices((IMAGES[::-1], words[::-1]))
    data = open_data((train, test))
    assert data.classes == ("a", "c", "été")
    assert read(data, "test")[1].tolist() == read(data)[1].tolist()[::-1]
    few = open_data((train, test.filter(lambda _, word: word == "c")))
    assert few.split("test").counts == (0, (words == "c").sum(), 0)
    with pytest.raises(UserError, match="test has classes that train lacks"):
        open_data((train.filter(lambda _, word: word != "c"), test))


def test_grey_images_need_no_channel_axis():
    data = open_data((IMAGES[..., 0], LABELS))
    assert data.channels == 1
    np.testing.assert_array_equal(read(data)[0], np.repeat(IMAGES[..., :1], 3, axis=-1))


def test_images_of_many_sizes_are_resized_to_the_image_format():
    def generate():
        for number in range(6):
            yield picture(number, 8 + number, 9), number % 2

    signature = (tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.int32))
    data = open_data(tf.data.Dataset.from_generator(generate, output_signature=signature))
    assert data.smallest == (8, 9)
    assert read(data)[0].shape == (6, 8, 8, 3)
    assert (describe(data).heights.least, describe(data).heights.greatest) == (8, 13)
    assert contact_sheet(data).width > 100


def test_resizing_arrays_is_resizing_images():
    from reszoo.data.images.resizing import resize_to_format

    image_format = ImageFormat(5, 6, 1, crop=0.8)
    images, _ = read(open_data((IMAGES, LABELS)), image_format=image_format)
    np.testing.assert_array_equal(images, resize_to_format(IMAGES, image_format))


def _endless():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).repeat()


@pytest.mark.parametrize(
    ("pair", "match"),
    [
        ((IMAGES, LABELS[:5]), "differ in number"),
        ((IMAGES / np.float32(255), LABELS), "between 0 and 1"),
        ((IMAGES.astype(int) - 128, LABELS), "outside 0..255"),
        ((np.where(IMAGES > 250, np.nan, IMAGES), LABELS), "outside 0..255"),
        ((IMAGES.astype(np.uint16) * 257, LABELS), "255 / 65535"),
        ((IMAGES.astype(str), LABELS), "not numbers"),
        (([IMAGES[0], IMAGES[1, :5], IMAGES[2]], [0, 1, 1]), "differ in their sizes"),
        ((IMAGES[0, 0], LABELS[:8]), "wrong shape"),
        ((IMAGES[:0], LABELS[:0]), "no images"),
        ((IMAGES, LABELS * 0), "fewer than two classes"),
        ((IMAGES, LABELS - 1), "whole numbers"),
        ((IMAGES, LABELS + 0.5), "whole numbers"),
        ((IMAGES, LABELS * 3_000_000_000), "whole numbers"),
        ((IMAGES, np.where(LABELS > 1, np.inf, LABELS)), "whole numbers"),
        ((IMAGES, np.ones((12, 3))), "one-hot"),
        ((IMAGES, np.ones((12, 3, 1))), "one axis"),
        (tf.data.Dataset.from_tensor_slices(IMAGES), "not labelled images"),
        (tf.data.Dataset.from_tensor_slices(({"x": IMAGES}, LABELS)), "not labelled images"),
        (tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).take(0), "empty"),
        (_endless(), "never ends"),
        ({"train": 5}, "unsupported data"),
        (5, "unsupported data"),
        ({"train": (IMAGES, LABELS), "test": (IMAGES[..., :1], LABELS)}, "differ in channels"),
    ],
)
def test_what_is_not_labelled_images_is_refused(pair, match):
    with pytest.raises(UserError, match=match):
        open_data(pair)


def test_a_dataset_too_large_for_memory_is_refused(monkeypatch):
    monkeypatch.setattr(arrays, "MAX_BYTES", 500)
    with pytest.raises(UserError, match="too large"):
        open_data(tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)))


def test_other_channels_than_the_networks_are_refused():
    data = open_data((np.repeat(IMAGES, 2, axis=-1), LABELS))
    with pytest.raises(UserError, match="6 channels"):
        batches(data.split(), ImageFormat(8, 8, 3), batch_size=2)


def test_opened_data_pass_through():
    data = open_data((IMAGES, LABELS))
    assert open_data(data) is data
