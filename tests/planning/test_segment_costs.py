"""Costs of segments add up to the cost of the whole plan, exactly."""

from __future__ import annotations

import random

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.planning.cost import cost
from reszoo.planning.segment_costs import SegmentCosts

BASE = {
    "name": "any",
    "input": {"shape": [16, 16, 3]},
    "stem": {"filters": 8, "kernel": 3},
    "stages": [{"depth": 1, "width": 8}, {"depth": 2, "width": 16, "stride": 2}],
    "classes": 10,
}
FIELDS = {
    "connection": ["plain", "residual", "stochastic", "highway", "shortcut_gate", "scaled"],
    "order": ["post", "full_pre", "relu_only_pre", "bn_after_add", None],
    "shortcut": ["zero_pad", "projection", "identity", "highway"],
    "transform": ["basic", "bottleneck", "conv"],
    "norm": ["batch", "none"],
    "attention": ["none", "se", "eca"],
    "groups": [1, 2, 3],
    "survival_probability": [None, 0.5],
    "bias": [None, True],
}


def _random_spec(generator: random.Random):
    block = {field: generator.choice(values) for field, values in FIELDS.items()}
    stem = {**BASE["stem"], "kind": generator.choice(["conv", "conv", "none"])}
    stem["norm"], stem["activation"] = (
        generator.choice(["batch", "none"]),
        generator.choice(["relu", "none"]),
    )
    stages = [
        {
            "depth": generator.randint(1, 3),
            "width": generator.choice([4, 8, 12]),
            "stride": generator.choice([1, 2]),
            "after": {"dropout": generator.choice([0.0, 0.1])},
        }
        for _ in range(generator.randint(1, 3))
    ]
    head = {"dropout": generator.choice([0.0, 0.2]), "hidden": generator.choice([[], [5]])}
    mapping = {**BASE, "stem": stem, "block": block, "stages": stages, "head": head}
    return spec.from_mapping(
        {**mapping, "block": {key: value for key, value in block.items() if value is not None}}
    )


def test_costs_of_random_specs_equal_those_of_their_plans():
    generator, costs, compared = random.Random(0), SegmentCosts(), 0
    for _ in range(400):
        try:
            one = _random_spec(generator)
        except UserError:
            continue
        try:
            expected = cost(one)
        except UserError as error:
            with pytest.raises(UserError) as caught:
                costs.cost(one)
            assert caught.value.what == error.what
            continue
        assert costs.cost(one) == expected
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("family", ["resnet20", "resnet50", "resnet50_v2", "highway19_cifar10"])
def test_costs_of_the_zoo_equal_those_of_their_plans(family):
    costs = SegmentCosts()
    known = spec.load(family)
    assert costs.cost(known) == cost(known)
    wider = spec.override(known, ["stages[0].depth=2", "classes=7"])
    assert costs.cost(wider) == cost(wider)
    with_hidden = spec.override(wider, ["head.hidden=[12]"])
    assert costs.cost(with_hidden) == cost(with_hidden) != cost(wider)


def test_a_segment_is_planned_once(monkeypatch):
    from reszoo.planning import segment_costs

    costs, planned = SegmentCosts(), []
    costs.cost(spec.load("resnet20"))
    plan_block = segment_costs.plan_block
    monkeypatch.setattr(
        segment_costs,
        "plan_block",
        lambda *arguments: planned.append(arguments[1:3]) or plan_block(*arguments),
    )
    costs.cost(spec.load("resnet20", ["stages[1].depth=5"]))
    costs.cost(spec.load("resnet20", ["classes=7", "head.dropout=0.5"]))
    assert planned == []
    costs.cost(spec.load("resnet20", ["stages[1].width=48"]))
    # The first block of the stage, those after it, and the first of the next stage.
    assert planned == [(1, 0), (1, 1), (2, 0)]
