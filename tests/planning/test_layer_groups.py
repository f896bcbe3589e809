"""Layer groups are found by tags, a name is one group, factors fall back to the backbone's."""

from __future__ import annotations

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.planning.layer_groups import (
    group_factors,
    group_names,
    group_of,
    resolve_groups,
    row_names_in,
    row_names_of,
)
from reszoo.planning.network import plan

RESNET20 = plan(spec.load("resnet20"))
GROUPS = ("stem", "stage1", "stage2", "stage3", "head")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["stem"], {"stem"}),
        (["stage3"], {"stage3"}),
        (["stem", "stage2"], {"stem", "stage2"}),
        (["stem..stage2"], {"stem", "stage1", "stage2"}),
        (["stage2..stage3"], {"stage2", "stage3"}),
        (["backbone"], set(GROUPS) - {"head"}),
        (["head"], {"head"}),
        ([], set()),
    ],
)
def test_a_name_is_one_group_and_a_range_all_between(names, expected):
    assert resolve_groups(RESNET20, names) == expected


@pytest.mark.parametrize("name", ["stage4", "stagr1", "stem..stage9", "", "stage3..", "block1"])
def test_an_unknown_group_is_refused_with_the_known_ones(name):
    with pytest.raises(UserError, match="stem, stage1, stage2, stage3, head"):
        resolve_groups(RESNET20, [name])


def test_the_nearest_group_is_suggested():
    with pytest.raises(UserError, match="did you mean 'stage1'"):
        resolve_groups(RESNET20, ["stagr1"])


def test_a_block_is_its_rows_alone_and_joins_groups():
    own = row_names_of(RESNET20, ["stage2.block3"])
    tags = {(row.tags.stage, row.tags.block) for row in RESNET20.rows if row.name in own}
    assert tags == {(2, 3)}
    assert row_names_of(RESNET20, ["stage2.block3", "stage1"]) == own | row_names_in(
        RESNET20, frozenset({"stage1"})
    )


@pytest.mark.parametrize(
    ("name", "hint"), [("stage2.block4", "stage2.block3"), ("stage4.block1", "stage3.block1")]
)
def test_a_block_that_is_not_there_is_refused_with_one_that_is(name, hint):
    with pytest.raises(UserError, match=f"no block '{name}'") as error:
        row_names_of(RESNET20, [name])
    assert hint in error.value.hint


@pytest.mark.parametrize("name", ["resnet20", "resnet110_v2", "highway19_cifar10", "resnetrs50"])
def test_every_row_is_in_one_group(name):
    network = plan(spec.load(name))
    every = [row.name for row in network.rows]
    by_group = [row_names_in(network, frozenset({group})) for group in group_names(network)]
    assert sorted(name for rows in by_group for name in rows) == sorted(every)
    assert all(by_group)


def test_the_last_normalisation_belongs_to_the_last_stage_and_pools_to_theirs():
    v2 = plan(spec.load("resnet110_v2"))
    final = next(row for row in v2.rows if row.tags.role == "final_norm")
    assert group_of(final, v2) == "stage3"
    highway = plan(spec.load("highway10_w16_mnist"))
    pools = [row for row in highway.rows if row.tags.role == "pool" and row.op == "max_pool"]
    assert [group_of(row, highway) for row in pools] == ["stage1", "stage2", "stage3"]


def test_factors_go_by_group_then_backbone_then_one():
    assert group_factors(RESNET20, {}) == dict.fromkeys(GROUPS, 1.0)
    factors = {"backbone": 0.1, "stage3": 0.5}
    expected = {"stem": 0.1, "stage1": 0.1, "stage2": 0.1, "stage3": 0.5, "head": 1.0}
    assert group_factors(RESNET20, factors) == expected
    assert group_factors(RESNET20, {"head": 10.0})["head"] == 10.0


def test_a_factor_for_an_unknown_group_is_refused():
    with pytest.raises(UserError, match="no layer group 'stage5'"):
        group_factors(RESNET20, {"stage5": 0.5})
