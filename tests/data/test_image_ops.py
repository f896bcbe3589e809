"""Each operation against arithmetic of its own, in NumPy, TensorFlow or Keras."""

from __future__ import annotations

import colorsys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from reszoo.data.augment import image_ops
from reszoo.data.seeded_random import COLOR_JITTER, LIGHTING, Draws
from reszoo.spec.augmentation import ColorJitter
from tests.data.conftest import picture

IMAGES = {"colour": picture(3, 21, 30), "grey": picture(4, 21, 30, channels=1)}
RNG = np.random.default_rng(0)
IMAGES["noise"] = RNG.integers(20, 180, (21, 30, 3), dtype=np.uint8)


def changed(name: str, image: np.ndarray, strength: float, fill: int = 7) -> np.ndarray:
    grey = image.shape[-1] == 1
    pillow = Image.fromarray(image[..., 0] if grey else image)
    result = image_ops.OPERATIONS[name](pillow, strength, fill if grey else (fill,) * 3)
    return np.asarray(result).reshape(image.shape)


def luma(image: np.ndarray) -> np.ndarray:
    weights = [0.299, 0.587, 0.114] if image.shape[-1] == 3 else [1.0]
    return np.rint(image @ np.array(weights))[..., None]


def smooth(image: np.ndarray) -> np.ndarray:
    """Pillow's SMOOTH: 5 in the middle, 1 around, of 13; the border stays."""
    kernel = np.ones((3, 3))
    kernel[1, 1] = 5
    result = image.astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))
    result[1:-1, 1:-1] = (windows * kernel / 13).sum(axis=(-2, -1))
    return np.rint(result)


def blend(degenerate: np.ndarray | float, image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(degenerate + factor * (image.astype(float) - degenerate), 0, 255)


def stretched(image: np.ndarray) -> np.ndarray:
    low, high = image.min(axis=(0, 1)).astype(float), image.max(axis=(0, 1)).astype(float)
    return np.clip((image - low) * 255 / (high - low), 0, 255)


def equalized(image: np.ndarray) -> np.ndarray:
    result = np.empty_like(image)
    for channel in range(image.shape[-1]):
        counts = np.bincount(image[..., channel].ravel(), minlength=256)
        step = (counts.sum() - counts[counts > 0][-1]) // 255
        before = np.cumsum(counts) - counts
        table = np.arange(256) if step == 0 else np.minimum((before + step // 2) // step, 255)
        result[..., channel] = table[image[..., channel]]
    return result


REFERENCES = {
    "identity": lambda image, _: image,
    "invert": lambda image, _: 255 - image,
    "autocontrast": lambda image, _: stretched(image),
    "equalize": lambda image, _: equalized(image),
    "posterize": lambda image, bits: image.astype(int) // 2 ** (8 - bits) * 2 ** (8 - bits),
    "solarize": lambda image, limit: np.where(image >= limit, 255 - image, image),
    "solarize_add": lambda image, more: np.where(
        image < 128, np.minimum(image.astype(int) + more, 255), image
    ),
    "brightness": lambda image, factor: blend(0.0, image, factor),
    "contrast": lambda image, factor: blend(np.floor(luma(image).mean() + 0.5), image, factor),
    "colour": lambda image, factor: blend(luma(image), image, factor),
    "sharpness": lambda image, factor: blend(smooth(image), image, factor),
}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("identity", 0),
        ("invert", 0),
        ("autocontrast", 0),
        ("equalize", 0),
        *(("posterize", bits) for bits in (0, 1, 4, 8)),
        *(("solarize", limit) for limit in (0, 100, 178.5, 256)),
        *(("solarize_add", more) for more in (0, 66, 110)),
        *(
            (name, factor)
            for name in ("brightness", "contrast", "colour", "sharpness")
            for factor in (0.1, 0.6, 1.0, 1.9)
        ),
    ],
)
def test_an_operation_equals_its_arithmetic(name, strength, kind):
    image = IMAGES[kind]
    expected = REFERENCES[name](image, strength)
    # Pillow truncates where the reference has fractions.
    assert np.abs(changed(name, image, strength) - expected).max() <= (
        2 if name in ("sharpness", "colour") else 1
    )


def test_equalize_of_few_values_changes_nothing():
    flat = np.full((5, 5, 3), 9, np.uint8)
    np.testing.assert_array_equal(changed("equalize", flat, 0), flat)


@pytest.mark.parametrize(
    ("name", "strength", "matrix"),
    [
        ("shear_x", 0.3, [1, 0.3, 0, 0, 1, 0]),
        ("shear_y", -0.9, [1, 0, 0, -0.9, 1, 0]),
        ("translate_x", 4.5, [1, 0, 4.5, 0, 1, 0]),
        ("translate_y", -7, [1, 0, 0, 0, 1, -7]),
    ],
)
def test_affine_operations_equal_tensorflows(name, strength, matrix):
    # Pillow's places are the pixels' corners, TensorFlow's their centres.
    a, b, c, d, e, f = matrix
    centred = [a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0, 0]
    image = IMAGES["colour"]
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None].astype(np.float32),
        transforms=tf.constant([centred], tf.float32),
        output_shape=image.shape[:2],
        fill_value=7.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0].numpy()
    result = changed(name, image, strength)
    # At the border TensorFlow blends with the fill, Pillow repeats.
    inside = np.ones(image.shape[:2], bool)
    moved = changed(name, np.full(image.shape, 255, np.uint8), strength)
    inside = (moved == 255).all(axis=-1)
    inside[1:-1, 1:-1] &= (
        inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    )
    inside[[0, -1]] = inside[:, [0, -1]] = False
    assert inside.mean() > 0.15
    assert np.abs(result - expected)[inside].max() <= 1.5
    assert (result[(moved == 7).all(axis=-1)] == 7).all()


@pytest.mark.parametrize("degrees", [90, 180])
def test_rotation_by_right_angles_is_exact(degrees):
    image = picture(1, 20, 20)
    result = changed("rotate", image, degrees)
    np.testing.assert_array_equal(result, np.rot90(image, degrees // 90))


def test_rotation_fills_what_comes_in():
    result = changed("rotate", np.full((20, 20, 3), 255, np.uint8), 45)
    assert (result[0, 0] == 7).all() and (result[10, 10] == 255).all()


@pytest.mark.parametrize("share", [0.1, -0.25, 0.5])
def test_hue_turns_colours_as_the_standard_library_has_them(share):
    colours = np.array([[[200, 30, 30], [30, 200, 90], [10, 60, 250], [90, 90, 90]]], np.uint8)
    result = changed("hue", colours, share)
    for before, after in zip(colours[0], result[0], strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        expected = colorsys.hsv_to_rgb((hue + share) % 1, saturation, value)
        np.testing.assert_allclose(after / 255, expected, atol=0.05)  # 8 bits of hue


def test_hue_leaves_grey_images_alone():
    np.testing.assert_array_equal(changed("hue", IMAGES["grey"], 0.3), IMAGES["grey"])


def test_brightness_equals_what_keras_does():
    layer = keras.layers.RandomBrightness((0.0, 0.0), value_range=(0, 255))
    image = IMAGES["colour"]
    plain = np.asarray(layer(image[None].astype(np.float32), training=True))[0]
    np.testing.assert_allclose(changed("brightness", image, 1.0), plain)


def test_jitter_draws_factors_and_orders():
    jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    draws = Draws(0, 0)(np.arange(2000), COLOR_JITTER)
    every = [image_ops.color_jitter_steps(jitter, row) for row in draws]
    orders = [tuple(name for name, _ in steps) for steps in every]
    # 24 orders, about 83 times each with standard deviation 9.
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24 and min(counts) > 45 and max(counts) < 125
    reach = {"brightness": (0.6, 1.4), "contrast": (0.6, 1.4), "colour": (0.8, 1.2)}
    for name, (low, high) in (reach | {"hue": (-0.1, 0.1)}).items():
        values = np.array([dict(steps)[name] for steps in every])
        assert low <= values.min() < low + 0.01 and high - 0.01 < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.02


def test_jitter_names_only_what_is_asked_for():
    steps = image_ops.color_jitter_steps(ColorJitter(contrast=2.0), np.zeros(5))
    assert steps == [("contrast", 0.0)]  # no factor below 0


def test_lighting_adds_one_colour_with_imagenets_covariance():
    images = np.full((4000, 1, 2, 3), 128, np.uint8)
    draws = Draws(0, 0)(np.arange(4000), LIGHTING)
    added = image_ops.pca_lighting(images, 0.1, draws).astype(float) - 128
    assert (added[:, 0, 0] == added[:, 0, 1]).all()
    # The first axis dominates: 0.1 * 0.2175 * 255 * (0.5675, 0.5808, 0.5836) = 3.15, 3.22, 3.24.
    np.testing.assert_allclose(added[:, 0, 0].std(axis=0), [3.16, 3.23, 3.25], atol=0.15)
    assert np.corrcoef(added[:, 0, 0], rowvar=False).min() > 0.95
    assert np.abs(added.mean()) < 0.2


def test_lighting_clips():
    white = np.full((50, 2, 2, 3), 255, np.uint8)
    draws = Draws(0, 0)(np.arange(50), LIGHTING)
    result = image_ops.pca_lighting(white, 1.0, draws)
    assert result.max() == 255 and result.min() > 100
    assert image_ops.pca_lighting(white[..., :1], 1.0, draws).shape[-1] == 1
