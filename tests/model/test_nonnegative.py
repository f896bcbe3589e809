"""Outputs are proven nonnegative only where they are, and often enough to be of use."""

from __future__ import annotations

import pytest

from reszoo import spec
from reszoo.model.net2net.nonnegative import nonnegative_outputs
from reszoo.planning.network import plan

BASE = {
    "name": "base",
    "input": {"shape": [8, 8, 1]},
    "stem": {"filters": 4},
    "stages": [{"depth": 2, "width": 4}],
    "classes": 3,
}


def ends(block, **changes):
    """Whether the last block's output is proven nonnegative."""
    network = plan(spec.from_mapping(BASE | {"block": block} | changes))
    return network.stages["stage1"] in nonnegative_outputs(network)


@pytest.mark.parametrize(
    ("block", "changes", "expected"),
    [
        ({}, {}, True),
        ({"activation": "leaky_relu"}, {}, False),
        ({"order": "full_pre"}, {}, True),  # the last normalisation is activated
        ({"order": "relu_before_add"}, {}, True),
        ({"transform": "conv", "connection": "highway"}, {}, True),
        ({"transform": "conv", "connection": "highway"}, {"activation": "tanh"}, False),
        ({"transform": "conv", "connection": "highway", "order": "bn_after_add"}, {}, True),
        ({"transform": "basic", "order": "relu_before_add", "connection": "scaled"}, {}, False),
        ({"transform": "conv", "connection": "shortcut_gate"}, {}, False),
    ],
)
def test_the_sign_of_a_blocks_output(block, changes, expected):
    assert ends(block, **changes) == expected


def test_a_projected_shortcut_may_be_negative():
    stages = [{"depth": 2, "width": 8}]
    highway = {"transform": "conv", "connection": "highway", "shortcut": "projection"}
    assert not ends(highway, stages=stages)
    assert ends(highway | {"shortcut": "zero_pad"}, stages=stages)
