"""Figures of the lesion study."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reszoo.figures.heat_maps import HeatMap, heat_maps
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.planning.block_chain import Segment
from reszoo.studies.studied_network import tick_blocks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reszoo.studies.lesion_study import Lesion


def draw_lesions(
    table: Table[Lesion], blocks: Sequence[Segment], closable: Sequence[int]
) -> Figure:
    singles = table.where(kind="block")
    intact = 100 * table.rows[0].accuracy
    x = [index + 1 for index in closable]
    ticks = tick_blocks(blocks) if len({block.stage for block in blocks}) > 1 else ()
    panels = [
        LinePanel(
            "One block closed",
            "block",
            "accuracy, %",
            [Line("", x, [100 * row.accuracy for row in singles], 0, marker="o")],
            x_ticks=ticks,
            baseline=intact,
            baseline_label="intact",
        )
    ]
    for kind, title, label in (
        ("random", "Random blocks closed", "closed blocks"),
        ("shuffle", "Blocks shuffled", "exchanged pairs"),
    ):
        counts = sorted({row.count for row in table if row.kind == kind})
        if not counts:
            continue
        draws = [
            [100 * row.accuracy for row in table if (row.kind, row.count) == (kind, count)]
            for count in counts
        ]
        means, low, high = ([float(f(draw)) for draw in draws] for f in (np.mean, min, max))
        line = Line("", counts, means, 1, marker="o", low=low, high=high)
        panels.append(LinePanel(title, label, "accuracy, %", [line], baseline=intact))
    return line_panels(panels, share_y=True, panel_size=(3.0, 2.7))


def pair_figures(
    table: Table[Lesion], blocks: Sequence[Segment], closable: Sequence[int]
) -> dict[str, Figure]:
    """Returns the heat map of pairs, where all of them were measured."""
    pairs = table.where(kind="pair")
    if len(pairs) < 3 or len(pairs) != len(closable) * (len(closable) - 1) // 2:
        return {}
    singles = [row for row in table if row.kind == "block"]
    matrix = np.diag([100 * row.accuracy for row in singles])
    for (first, second), row in zip(
        itertools.combinations(range(len(closable)), 2), pairs, strict=True
    ):
        matrix[first, second] = matrix[second, first] = 100 * row.accuracy
    names = [(float(number), blocks[index].name) for number, index in enumerate(closable)]
    title = "Accuracy with two blocks closed, %"
    return {
        "pairs": heat_maps(
            [HeatMap(title, matrix, "block", "", y_ticks=names)], map_size=(4.4, 4.2)
        )
    }
