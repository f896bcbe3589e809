from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from reszoo.data import ImageFormat
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.previews.describe import describe
from reszoo.data.sources import tfds
from reszoo.errors import MachineError, UserError


def whole(split):
    """All images and labels of a split, in its own order."""
    return next(batches(split, ImageFormat(8, 8, 1), batch_size=len(split)).as_numpy_iterator())


def test_digits_are_scikit_learns(digits):
    from sklearn.datasets import load_digits

    assert dict(digits.splits) == {"train": 1437, "test": 360}
    assert digits.classes == tuple("0123456789")
    assert (digits.channels, digits.smallest) == (1, (8, 8))
    # 1,797 images of ten classes: each has 35 to 37 in the test split.
    assert set(digits.split("test").counts) <= {35, 36, 37}
    images, labels = whole(digits.split("all"))
    known = load_digits()
    expected = np.rint(known.images * 255 / 16).astype(np.uint8)
    pairs = {
        (image.tobytes(), int(label)) for image, label in zip(expected, known.target, strict=True)
    }
    assert {(i.tobytes(), int(c)) for i, c in zip(images, labels, strict=True)} == pairs
    assert images.max() == 255


def test_digits_are_described(digits):
    description = describe(digits)
    assert description.splits == {"train": 1437, "test": 360}
    assert (str(description.heights), description.measured) == ("8", 1797)
    assert description.notes() == []


@pytest.mark.parametrize("word", ["tfds:digits", "tfds:digits:1.0.0"])
def test_prepared_tfds_sets_open_without_a_network(digits, data_dir, word):
    data = open_data(word, data_dir=data_dir)
    assert dict(data.splits) == dict(digits.splits)
    assert data.classes == digits.classes
    for expression in ("test", "train[10%:20%]"):
        ours, theirs = (
            next(
                batches(
                    d.split(expression), ImageFormat(8, 8, 1), batch_size=400
                ).as_numpy_iterator()
            )
            for d in (digits, data)
        )
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_order_is_that_of_tensorflow_datasets(digits, data_dir):
    import tensorflow_datasets as tfds

    examples = tfds.builder("digits:1.0.0", data_dir=str(data_dir)).as_dataset(split="train[:100]")
    labels = [int(example["label"]) for example in examples]
    assert digits.split("train[:100]").labels.tolist() == labels


def test_unknown_names_are_answered_with_the_nearest(data_dir):
    with pytest.raises(UserError, match="no data set 'cifar11'") as caught:
        open_data("tfds:cifar11", data_dir=data_dir)
    assert "'cifar10'" in str(caught.value)


@pytest.mark.parametrize("word", ["tfds:cifar10/nothing", "tfds:cifar10:9.9.9", "tfds:a b"])
def test_unknown_configs_and_versions_are_refused_in_a_sentence(word, data_dir):
    with pytest.raises(UserError, match="cannot open") as caught:
        open_data(word, data_dir=data_dir)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("word", ["tfds:coco/2017", "tfds:glue/cola"])
def test_data_without_classified_images_are_refused_before_a_download(word, data_dir):
    with pytest.raises(UserError, match="does not hold labelled images"):
        open_data(word, data_dir=data_dir)


def test_without_a_network_a_download_fails_at_once_and_in_one_sentence(tmp_path, monkeypatch):
    # Nothing listens on port 9 of this machine; no proxy may answer in its place.
    monkeypatch.setattr(tfds, "_hosts", lambda builder: ["http://127.0.0.1:9"])
    for name in ("http", "https", "all"):
        for variable in (f"{name}_proxy", f"{name.upper()}_PROXY"):
            monkeypatch.delenv(variable, raising=False)
    started = time.monotonic()
    with pytest.raises(MachineError, match="cannot be reached") as caught:
        open_data("tfds:cifar10", data_dir=tmp_path)
    assert time.monotonic() - started < 10
    assert caught.value.exit_code == 1
    assert len(str(caught.value).splitlines()) == 2
    assert not list(tmp_path.iterdir())


def test_the_first_host_of_the_downloads_is_probed():
    urls = {"https://one.example/a": 1, "https://one.example/b": 2}
    assert tfds._hosts(SimpleNamespace(url_infos=urls)) == ["https://one.example"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("cifar10", "tfds:cifar10"), ("digit", "digits"), ("tfds:", None), ("folder:", None)],
)
def test_words_that_name_no_data_are_refused(word, hint):
    with pytest.raises(UserError, match="there is no data set") as caught:
        open_data(word)
    assert "folder:PATH" in str(caught.value)
    assert hint is None or hint in str(caught.value)


def test_a_path_without_its_word_is_pointed_to(tmp_path):
    with pytest.raises(UserError, match="there is no data set") as caught:
        open_data(str(tmp_path))
    assert f"folder:{tmp_path}" in str(caught.value)
