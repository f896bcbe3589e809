"""The table of a kind of block has the numbers of each stage."""

from __future__ import annotations

from reszoo.report.block_kinds import block_kinds
from reszoo.report.block_table import draw_tables, table_rows
from tests.report.diagrams import plan_of, words


def test_the_table_of_resnet50s_projection_block():
    projection, _ = block_kinds(plan_of("resnet50"))
    assert [(row.name, row.role, *row.cells) for row in table_rows(projection.places)] == [
        ("x", "", "56x56x64", "56x56x256", "28x28x512", "14x14x1024"),
        ("1x1 conv", "transform", "64", "128", "256", "512"),
        ("3x3 conv", "transform", "64", "128, /2", "256, /2", "512, /2"),
        ("1x1 conv", "transform", "256", "512", "1024", "2048"),
        ("1x1 conv", "shortcut", "256", "512, /2", "1024, /2", "2048, /2"),
        ("y", "", "56x56x256", "28x28x512", "14x14x1024", "7x7x2048"),
    ]


def test_a_drawn_table_has_a_column_for_each_place():
    (kind,) = block_kinds(plan_of("plain20"))
    shown = words(draw_tables(kind))
    assert [word for word in shown if word.startswith("stage")] == [
        *("stage 1", "stage 2", "stage 2", "stage 3", "stage 3")
    ]
    for row in table_rows(kind.places):
        assert all(shown.count(cell) >= row.cells.count(cell) for cell in row.cells)


def test_layers_with_equal_numbers_are_left_out():
    _, identity = block_kinds(plan_of("resnet50"))
    assert not {"batch norm", "relu", "add"} & {row.name for row in table_rows(identity.places)}
