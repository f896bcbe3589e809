"""Layers of a .tflite are matched by the names of the plan's rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reszoo.exporting import Bundle, LayerDifference
from reszoo.exporting.layer_parity import compare_layers, first_divergent_layer, layer_names
from reszoo.inference.trained import TrainedModel

from .conftest import NETS, TEST, digits


@pytest.mark.parametrize("net", NETS)
def test_every_matched_layer_of_the_float_file_equals_keras(
    bundle_of: Callable[[str, str], Bundle], nets: dict[str, TrainedModel], net: str
) -> None:
    content = bundle_of(net, "mobile-float32").tflite.read_bytes()
    layers = compare_layers(nets[net].model, content, digits()[0][TEST][:3])
    # A name that is matched to the wrong tensor would show here.
    assert max(layer.relative for layer in layers) < 1e-5
    names = [layer.layer for layer in layers]
    assert {"stem_activation", "stage2_block1_activation1", "head_logits"} <= set(names)
    assert ("stage1_block1_transform_gate_sigmoid" in names) == (net == "highway")
    order = [layer.name for layer in nets[net].model.layers]
    assert set(names) <= set(order) and names[-1] == "head_logits"


@pytest.mark.parametrize("net", NETS)
def test_int8_layers_stay_near_keras(
    bundle_of: Callable[[str, str], Bundle], nets: dict[str, TrainedModel], net: str
) -> None:
    content = bundle_of(net, "mobile-int8").tflite.read_bytes()
    layers = compare_layers(nets[net].model, content, digits()[0][TEST][:3])
    assert len(layers) > 8
    assert 0 < max(layer.relative for layer in layers) < 0.1


def test_numbered_scopes_are_read_as_the_layers_they_are() -> None:
    order = {"conv": 0, "conv_1": 1, "relu": 2}
    tensors = ["net_1/relu_1/Relu;net_1/conv_1/Conv2D", "net_1/conv_1_1/Conv2D", "other"]
    assert layer_names(tensors, order) == [("conv", "relu"), ("conv_1",), ()]
    plain = ["net/relu/Relu;net/conv/Conv2D", "net/conv_1/Conv2D"]
    assert layer_names(plain, order) == [("conv", "relu"), ("conv_1",)]


def test_first_different_is_the_first_beyond_its_arithmetic_else_the_worst() -> None:
    def layer(name: str, relative: float) -> LayerDifference:
        return LayerDifference(name, (name,), "CONV_2D", relative, 0.0)

    layers = [layer("a", 1e-7), layer("b", 0.01), layer("c", np.nan), layer("d", 0.5)]
    assert first_divergent_layer(layers, int8=False).layer == "b"
    assert first_divergent_layer(layers, int8=True).layer == "c"
    assert first_divergent_layer(layers[:2], int8=True).layer == "b"
    assert first_divergent_layer([], int8=False) is None
