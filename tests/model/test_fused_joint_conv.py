"""One convolution for H and its gate equals the two, in outputs, gradients and files."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.model.fused.highway_merge import GatedMerge, InterleavedMerge
from reszoo.model.fused.joint_conv import DeferredConv2D, InterleavedConv2D

SHAPE = (6, 8, 5)
CASES = {
    "3x3": {"kernel_size": 3, "padding": "same"},
    "1x1": {"kernel_size": 1},
    "3x3 stride 2, unpadded": {"kernel_size": 3, "strides": 2},
    "1x5": {"kernel_size": (1, 5), "padding": "same"},
}
# Sums of up to 320 products; bfloat16 has 8 bits of mantissa.
TOLERANCES = {"float64": 1e-12, "float32": 1e-5, "mixed_bfloat16": 3e-2, "mixed_float16": 5e-3}


def network(
    joint: bool, dtype: str, products: bool = False, copies: int = 1, **options: object
) -> keras.Model:
    """A highway block with a convolution as shortcut; its weights depend on their names alone."""
    given = {"filters": 4, "dtype": dtype, **options}
    x = keras.Input(SHAPE, dtype=dtype.removeprefix("mixed_"))
    shortcut = keras.layers.Conv2D(**given, name="shortcut")(x)
    if joint:
        weights = DeferredConv2D(**given, name="h")(x)
        ht = InterleavedConv2D(**given, products=products, name="gate")([x, *weights])
        y = InterleavedMerge(copies, dtype=dtype, name="merge")([shortcut, ht])
    else:
        maps = [keras.layers.Conv2D(**given, name=name)(x) for name in ("h", "gate")]
        y = GatedMerge(True, copies, dtype=dtype, name="merge")([shortcut, *maps])
    model = keras.Model(x, y)
    rng = np.random.default_rng(3)
    for weight in sorted(model.weights, key=lambda weight: weight.path):
        weight.assign(rng.normal(size=weight.shape, scale=0.4))
    return model


def step(model: keras.Model, dtype: str) -> dict[str, np.ndarray]:
    """Outputs, and the gradients of image and weights, each output with a reader of its own."""
    x = np.random.default_rng(0).normal(size=(3, *SHAPE))
    x = tf.cast(tf.constant(x), dtype.removeprefix("mixed_"))

    @tf.function
    def traced(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(model(x))
            rng = np.random.default_rng(1)
            pulls = [tf.constant(rng.normal(size=y.shape)) for y in outputs]
            products = zip(outputs, pulls, strict=True)
            loss = tf.add_n([tf.reduce_sum(tf.cast(y, pull.dtype) * pull) for y, pull in products])
        weights = [weight.value for weight in model.trainable_variables]
        return [*outputs, *tape.gradient(loss, [x, *weights])]

    outputs = [f"y{index}" for index in range(len(model.outputs))]
    names = [*outputs, "x", *(weight.path for weight in model.trainable_variables)]
    return dict(zip(names, map(np.float64, traced(x)), strict=True))


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("products", [False, True], ids=["", "products"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("case", CASES)
def test_joint_block_and_its_gradients_equal_those_of_two_convolutions(
    case: str, dtype: str, products: bool
) -> None:
    joint = network(True, dtype, products, 2, **CASES[case])
    separate = network(False, dtype, copies=2, **CASES[case])
    found, expected = step(joint, dtype), step(separate, dtype)
    assert found.keys() == expected.keys()
    assert len(found) == 2 + 1 + 6  # outputs, image, weights
    for name, reference in expected.items():
        atol = TOLERANCES[dtype] * np.abs(reference).max()
        np.testing.assert_allclose(found[name], reference, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_merge_of_a_map_in_turns_equals_that_of_two_maps_bit_for_bit(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, h, t, pull = (tf.cast(rng.normal(size=(2, 3, 5, 8)), dtype) for _ in range(4))
    ht = tf.reshape(tf.stack([h, t], -1), (2, 3, 5, 16))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, h, t, ht])
        separate, joint = GatedMerge(True, dtype=dtype)([x, h, t]), InterleavedMerge(dtype=dtype)
        interleaved = joint([x, ht])
    np.testing.assert_array_equal(np.float32(interleaved), np.float32(separate))
    to_x, to_h, to_t = tape.gradient(separate, [x, h, t], pull)
    to_ht = tf.reshape(tf.stack([to_h, to_t], -1), ht.shape)
    found = tape.gradient(interleaved, [x, ht], pull)
    for value, expected in zip(found, [to_x, to_ht], strict=True):
        np.testing.assert_array_equal(np.float32(value), np.float32(expected))


def test_gradients_of_a_block_do_not_depend_on_which_of_its_weights_are_frozen() -> None:
    model = network(True, "float32", **CASES["3x3"])
    expected = step(model, "float32")
    model.get_layer("gate").trainable = False
    found = step(model, "float32")
    assert expected.keys() - found.keys() == {"gate/kernel", "gate/bias"}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_layers_open_with_equal_numbers(tmp_path: Path, dtype: str) -> None:
    model = network(True, dtype, products=True, **CASES["3x3"])
    model.save(tmp_path / "joint.keras")
    opened = keras.models.load_model(tmp_path / "joint.keras")
    assert opened.get_layer("gate").products
    x = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")
    np.testing.assert_array_equal(np.float32(opened(x)), np.float32(model(x)))
