"""Registered Keras names never change, so that saved networks and optimizers still load."""

from __future__ import annotations

import keras
import pytest

import reszoo.model.layer_factories
import reszoo.model.layers
import reszoo.training.optimizers.optimizers  # noqa: F401

LAYERS = (
    *(
        "ConstantPadding2D",
        "Blur",
        "LearnedScale",
        "CentredContrast",
        "CentredGroupNorm",
        "FusedBatchNormalization",
    ),
    *("GatedMerge", "ProductConv2D", "FusedReLU", "AddReLU", "DeviceModel"),
    *("DeferredConv2D", "InterleavedConv2D", "InterleavedMerge"),
    *("FakeQuantize", "QuantizedConv2D", "QuantizedConv1D", "QuantizedDense"),
    *("ChannelScale", "ChannelOffset"),
)
OPTIMIZERS = ("TabledRate", "SGD", "Adam", "RMSprop", "Lamb")


@pytest.mark.parametrize("name", [*LAYERS, *OPTIMIZERS])
def test_class_is_registered_under_its_first_name(name: str) -> None:
    assert keras.saving.get_registered_object(f"reszoo>{name}") is not None
