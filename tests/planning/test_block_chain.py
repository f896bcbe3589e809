"""The blocks of a plan as a chain of segments."""

from __future__ import annotations

import itertools

import pytest

from reszoo.planning.block_chain import blocks_of, segments
from reszoo.planning.network import plan
from reszoo.spec import load

NETWORKS = (
    *("resnet20", "plain20", "resnet110_v2", "resnet110_shortcut_gate_b6", "highway19_cifar10"),
    *("resnet110_half_both", "resnet110_stochastic", "seresnet18", "resnet50_v2_keras"),
    *("highway_dense10_mnist", "resnetrs50", "resnet8_mlperf", "resnet110_bn_after_add"),
)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_segment_reads_what_the_one_before_it_returns(name):
    rows = plan(load(name))
    chain = segments(rows)
    assert [row for segment in chain for row in segment.rows] == list(rows.rows)
    assert all(after.inputs == (before.output,) for before, after in itertools.pairwise(chain))
    assert chain[-1].output == rows.outputs[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_have_an_addition_unless_they_are_plain(name):
    spec = load(name)
    for block in blocks_of(plan(spec)):
        stage = spec.stages[block.stage - 1]
        plain_layer = stage.first == "plain" and block.block == 1
        plain = plain_layer or spec.stage_block(block.stage - 1).connection == "plain"
        assert (block.addition is None) == plain, block.name


def test_the_gate_of_a_block_is_its_sigmoid():
    block = blocks_of(plan(load("highway_dense10_mnist")))[0]
    assert (block.gate.tags.role, block.gate.tags.part) == ("transform_gate", "sigmoid")
    assert blocks_of(plan(load("resnet20")))[0].gate is None


def test_rows_for_an_output_leave_out_what_it_does_not_need():
    block = blocks_of(plan(load("highway_dense10_mnist")))[0]
    carried, change = block.addition.inputs
    assert block.rows_for(carried) == ()
    assert [row.tags.part for row in block.rows_for(change)] == [
        *("dense1", "activation1", "dense", "sigmoid", "subtract", "multiply")
    ]
