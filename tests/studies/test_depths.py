"""Networks of a planned depth with equal blocks in every stage."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.planning.cost import cost
from reszoo.spec import load
from reszoo.studies.depths import at_depth, make_networks


@pytest.mark.parametrize(
    ("base", "depth", "blocks"),
    [
        ("resnet20", 20, 3),
        ("resnet20", 8, 1),
        ("resnet20", 110, 18),
        ("highway_dense10_digits", 50, 48),
        ("resnet164", 29, 3),
    ],
)
def test_the_planned_depth_is_the_one_asked_for(base, depth, blocks):
    network = at_depth(load(base), depth)
    assert {stage.depth for stage in network.stages} == {blocks}
    assert cost(network).depth == depth


@pytest.mark.parametrize(("depth", "nearest"), [(21, "20 or 26"), (2, "8 or 14")])
def test_a_depth_between_is_refused_with_the_nearest_two(depth, nearest):
    with pytest.raises(UserError, match=f"no network of {depth} layers") as error:
        at_depth(load("resnet20"), depth)
    assert error.value.hint == f"take {nearest}"


def test_each_connection_gets_each_depth():
    made = make_networks(load("resnet20"), [8, 14], ["plain", "highway"])
    assert [network.name for network in made] == [
        *("plain8_resnet20", "plain14_resnet20", "highway8_resnet20", "highway14_resnet20")
    ]
    assert cost(made[0]).parameters < cost(made[2]).parameters
    assert cost(made[1]).parameters == cost(at_depth(load("resnet20"), 14)).parameters


def test_an_unknown_connection_is_refused():
    with pytest.raises(UserError, match="no connection 'highwya'") as error:
        make_networks(load("resnet20"), [8], ["highwya"])
    assert "highway" in error.value.hint
