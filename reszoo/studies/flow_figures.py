"""The figure of the flow study: activations, gradients and similarity by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.planning.block_chain import Segment
from reszoo.studies.studied_network import tick_blocks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reszoo.studies.flow_study import BlockFlow

_PANELS = (
    ("activation", "Activations", "root mean square"),
    ("gradient", "Gradients", "root mean square"),
    ("similarity", "Are all images alike?", "mean cosine of two images"),
)


def draw_flow(table: Table[BlockFlow], names: Sequence[str], blocks: Sequence[Segment]) -> Figure:
    """Draws a panel for each quantity, with a line for each network and state.

    Args:
      table: the measured blocks.
      names: the networks, in their order.
      blocks: the blocks of the first network; its stages are marked if it is the only one.
    """
    ticks: list[tuple[float, str]] = []
    if len(names) == 1 and len({block.stage for block in blocks}) > 1:
        ticks = [(0.0, "stem"), *tick_blocks(blocks)]
    panels = [
        LinePanel(
            title,
            "block",
            label,
            _lines(table, names, column),
            log=column != "similarity",
            x_ticks=ticks,
        )
        for column, title, label in _PANELS
    ]
    return line_panels(panels, panel_size=(3.3, 2.8))


def _lines(table: Table[BlockFlow], names: Sequence[str], column: str) -> list[Line]:
    """Returns a line for each network and state: colours tell networks apart, or else states."""
    states = list(dict.fromkeys(table.column("state")))
    lines = []
    for index, name in enumerate(names):
        for number, state in enumerate(states):
            rows = table.where(network=name, state=state)
            if not len(rows):
                continue
            words = [name] * (len(names) > 1)
            if not words or len(states) > 1:
                words.append(state_label(state))
            color, style = (index, number) if len(names) > 1 else (number, 0)
            x, y = rows.column("block_number"), rows.column(column)
            lines.append(Line(" ".join(words), x, y, color, style))
    return lines


def state_label(state: str) -> str:
    """Returns the name of a state for readers.

    >>> state_label("step-000001200.safetensors")
    'step 1,200'
    """
    if state.startswith("step-"):
        return f"step {int(state.removeprefix('step-').partition('.')[0]):,}"
    return state
