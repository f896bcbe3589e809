"""The untrained file of a spec costs what the exported file of its trained network costs."""

from __future__ import annotations

import pytest

from reszoo.exporting.untrained_file import untrained_file
from reszoo.spec import load_target
from reszoo.tflite.arena import arena_of
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.model_file import read_model
from reszoo.tflite.verdict import judge


def operators(model: TFLiteModel) -> list[str]:
    return [operator.name for operator in model.main.operators]


@pytest.mark.parametrize("net", ["residual", "highway"])
def test_an_untrained_file_has_the_operators_and_the_arena_of_the_exported_one(
    nets, bundle_of, net
):
    spec, target = nets[net].spec, load_target("mobile-int8")
    untrained = read_model(untrained_file(spec, target))
    exported = read_model(bundle_of(net, "mobile-int8").tflite.read_bytes())
    assert operators(untrained) == operators(exported)
    assert arena_of(untrained) == arena_of(exported)
    assert len(untrained.content) == pytest.approx(len(exported.content), rel=0.01)


def test_an_untrained_file_meets_its_target_and_is_the_same_each_time(nets):
    spec, target = nets["residual"].spec, load_target("microcontroller-64k")
    content = untrained_file(spec, target)
    assert judge(read_model(content), target).fits
    assert untrained_file(spec, target) == content
