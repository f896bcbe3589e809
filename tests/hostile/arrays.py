"""Arrays that are no labelled images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from reszoo.data.open_data import open_data
from tests.hostile.rows import Row


def arrays(images: Any, labels: Any) -> Callable[[Path], object]:
    """Opens a pair of arrays."""

    def read(path: Path) -> object:
        data = open_data((images, labels))
        return f"{len(data.split())} images, {len(data.classes)} classes"

    return read


def saved_arrays(path: Path) -> object:
    """Opens arrays as a user's script does."""
    with np.load(path) as stored:
        return arrays(stored["x"], stored["y"])(path)


def save_arrays(path: Path) -> None:
    np.savez(path, x=IMAGES, y=LABELS)


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
LABELS = np.arange(6) % 2

ARRAYS = [
    ("whole", IMAGES, LABELS, "6 images, 2 classes"),
    ("objects", IMAGES.astype(object), LABELS, "error: the images are not numbers"),
    ("text", IMAGES.astype(str), LABELS, "error: the images are not numbers"),
    ("complex", IMAGES.astype(complex), LABELS, "error: the images are not numbers"),
    ("dates", IMAGES.astype("datetime64[s]"), LABELS, "error: the images are not numbers"),
    ("records", np.zeros((6, 8, 8, 3), [("a", "u1")]), LABELS, "error: the images are not numbers"),
    ("five axes", IMAGES[None], LABELS, "error: the images have the wrong shape"),
    ("two axes", IMAGES[:, 0, :, 0], LABELS, "error: the images have the wrong shape"),
    ("no axis", np.uint8(3), LABELS, "error: "),
    ("other number of labels", IMAGES, LABELS[:5], "error: images and labels differ in number"),
    ("none", IMAGES[:0], LABELS[:0], "error: "),
    ("images of no pixels", IMAGES[:, :0], LABELS, "error: "),
    ("images of no channels", IMAGES[..., :0], LABELS, "error: "),
    ("NaN", np.full(IMAGES.shape, np.nan), LABELS, "error: pixel values outside"),
    ("infinity", np.full(IMAGES.shape, np.inf), LABELS, "error: pixel values outside"),
    ("negative pixels", IMAGES.astype(int) - 300, LABELS, "error: pixel values outside"),
    ("0 to 1", IMAGES / 255, LABELS, "error: pixel values between 0 and 1"),
    ("16 bits", IMAGES.astype(np.uint16) * 257, LABELS, "error: pixel values outside"),
    ("booleans", IMAGES > 99, LABELS, "error: the images are not numbers"),
    ("labels of 1e9", IMAGES, LABELS * 10**9, "error: 1,000,000,001 classes"),
    ("labels of 1e30", IMAGES, LABELS * 1e30, "error: the labels should be whole numbers"),
    ("negative labels", IMAGES, -LABELS, "error: the labels should be whole numbers"),
    ("fractions as labels", IMAGES, LABELS + 0.5, "error: the labels should be whole numbers"),
    ("whole floats as labels", IMAGES, LABELS.astype(float), "6 images, 2 classes"),
    ("NaN labels", IMAGES, LABELS * np.nan, "error: the labels should be whole numbers"),
    ("complex labels", IMAGES, LABELS * 1j, "error: the labels"),
    ("dates as labels", IMAGES, LABELS.astype("datetime64[s]"), "error: the labels"),
    ("records as labels", IMAGES, np.zeros(6, [("a", "i4")]), "error: the labels"),
    ("boolean labels", IMAGES, LABELS > 0, "6 images, 2 classes"),
    ("text labels", IMAGES, np.array(["cat", "dog"] * 3), "6 images, 2 classes"),
    ("labels of both kinds", IMAGES, np.array([1, "dog"] * 3, object), "6 images, 2 classes"),
    ("one class", IMAGES, LABELS * 0, "error: fewer than two classes"),
    ("one-hot", IMAGES, np.eye(2)[LABELS], "6 images, 2 classes"),
    ("almost one-hot", IMAGES, np.eye(2)[LABELS] * 2, "error: the labels have two axes"),
    ("no label at all", IMAGES, None, "error: "),
    ("a dict of labels", IMAGES, {"a": 1}, "error: "),
    ("ragged labels", IMAGES, [[0], [1, 2]] * 3, "error: "),
    ("ragged images", [IMAGES[0], IMAGES[0, :4]] * 3, LABELS, "error: the images differ in their"),
]  # fmt: skip

ROWS = [
    Row(
        "arrays: npz",
        "x.npz",
        lambda path: np.savez(path, x=IMAGES, y=LABELS),
        saved_arrays,
        "6 images, 2 classes",
    ),
    *(
        Row(f"arrays: {name}", "x", lambda path: None, arrays(images, labels), expected)
        for name, images, labels, expected in ARRAYS
    ),
]
