"""A tiny network with every stochastic part, tiny learnable images, and a short recipe."""

import numpy as np

from reszoo.spec import Architecture
from reszoo.spec.recipe import Recipe

TINY = Architecture.model_validate(
    {
        "name": "tiny",
        "input": {"shape": [8, 8, 1], "mean": 100.0, "std": 80.0},
        "stem": {"filters": 4},
        "block": {"connection": "stochastic"},
        "stages": [{"depth": 1, "width": 4}],
        "head": {"dropout": 0.1},
        "classes": 3,
    }
)
SHORT = Recipe.model_validate(
    {
        "name": "short",
        "epochs": 3,
        "batch": 16,
        "optimizer": {"kind": "sgd", "weight_decay": 5e-4},
        "schedule": {"kind": "triangular", "peak": 0.1, "warmup": 0.2},
        "augmentation": {"flip": True, "shift": 1},
        "ema": 0.8,
        "precision": "float32",
        "validation": {"fraction": 0.2},
    }
)


def bars(count=120, seed=0):
    """Images of horizontal, vertical and diagonal bars, and their labels 0, 1, 2."""
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % 3
    images = random.integers(0, 80, (count, 8, 8, 1), dtype=np.uint8)
    place = random.integers(1, 7, count)
    diagonal = np.arange(8)
    for image, label, at in zip(images, labels, place, strict=True):
        if label == 0:
            image[at, :] = 255
        elif label == 1:
            image[:, at] = 255
        else:
            image[diagonal, diagonal] = 255
    return images, labels


def bar_data():
    """Training and test images as arrays."""
    return {"train": bars(120), "test": bars(30, seed=1)}
