"""A kind of block says which blocks it stands for, each with its own numbers."""

from __future__ import annotations

from collections import Counter

import pytest

from reszoo.planning.network import plan
from reszoo.report.block_kinds import block_kinds, label
from reszoo.spec import from_mapping, names_of
from tests.report.diagrams import HARD, plan_of


def convolutions(place, role="transform"):
    """The numbers of a path's convolutions."""
    found = zip(place.rows, place.labels, strict=True)
    return [numbers for row, (_, numbers) in found if (row.tags.role, row.op) == (role, "conv")]


def test_resnet50_has_a_projection_block_and_an_identity_block_in_every_stage():
    projection, identity = block_kinds(plan_of("resnet50"))
    assert list(map(str, projection.places)) == [f"stage {i}, block 1" for i in (1, 2, 3, 4)]
    assert list(map(str, identity.places)) == [
        "stage 1, blocks 2-3",
        "stage 2, blocks 2-4",
        "stage 3, blocks 2-6",
        "stage 4, blocks 2-3",
    ]


@pytest.mark.parametrize(
    ("stage", "width", "side"), [(1, 64, 56), (2, 128, 28), (3, 256, 14), (4, 512, 7)]
)
def test_each_stage_of_resnet50_has_the_numbers_of_its_paper(stage, width, side):
    projection, identity = (kind.places[stage - 1] for kind in block_kinds(plan_of("resnet50")))
    down = ", /2" if stage > 1 else ""
    assert convolutions(projection) == [f"{width}", f"{width}{down}", f"{4 * width}"]
    assert convolutions(projection, "shortcut") == [f"{4 * width}{down}"]
    before = (2 * side, 2 * side, 2 * width) if stage > 1 else (56, 56, 64)
    assert (projection.entry, projection.exit) == (before, (side, side, 4 * width))
    assert convolutions(identity) == [f"{width}", f"{width}", f"{4 * width}"]
    assert identity.entry == identity.exit == (side, side, 4 * width)


@pytest.mark.parametrize("name", names_of("architecture"))
def test_every_block_of_the_zoo_is_one_of_a_kind_with_its_own_numbers(name):
    network = plan_of(name)
    blocks = {}
    for row in network.rows:
        if row.tags.block is not None and row.op != "pad":
            blocks.setdefault((row.tags.stage, row.tags.block), []).append(row)
    kinds = block_kinds(network)
    assert len(kinds) <= 6
    stood_for = Counter()
    for place in (place for kind in kinds for place in kind.places):
        stood_for.update((place.stage, number) for number in place.numbers)
        for number in place.numbers:
            rows = blocks[place.stage, number]
            assert (rows[-1].shape, len(rows)) == (place.exit, len(place.rows))
            for row, shown in zip(rows, place.labels, strict=True):
                assert label(row) == shown or row.op in ("dropout", "rescale")
    assert stood_for == Counter(dict.fromkeys(blocks, 1))


def test_rates_that_change_from_block_to_block_are_shown_from_first_to_last():
    identity = block_kinds(plan_of("resnet110_stochastic"))[0].places[0]
    assert ("drop path", "0.0093 to 0.17") in identity.labels
    assert ("times", "p = 0.991 to 0.833") in identity.labels


def test_blocks_of_one_stage_that_differ_in_a_stride_are_told_apart():
    (kind,) = block_kinds(plan_of("plain20"))
    assert list(map(str, kind.places)) == [
        "stage 1, blocks 1-3",
        "stage 2, block 1",
        "stage 2, blocks 2-3",
        "stage 3, block 1",
        "stage 3, blocks 2-3",
    ]
    assert convolutions(kind.places[1]) == ["32, /2", "32"]
    assert convolutions(kind.places[2]) == ["32", "32"]


def test_a_row_that_pads_is_part_of_the_row_that_reads_it():
    for kind in block_kinds(plan_of("resnet50")):
        for place in kind.places:
            names = {row.name for row in place.rows}
            assert not any(row.op == "pad" for row in place.rows)
            outside = {ref.row for row in place.rows for ref in row.inputs} - names
            assert len(outside) == 1


def test_every_weighted_layer_says_its_size():
    for kind in block_kinds(plan(from_mapping(HARD))):
        for row, (layer, numbers) in zip(kind.places[0].rows, kind.places[0].labels, strict=True):
            if row.op == "conv":
                assert layer.endswith("conv")
                assert numbers.startswith(str(row.shape[-1]))
