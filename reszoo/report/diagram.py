"""Diagram of a network: its stages from the image to the logits, and one block of each kind."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from reszoo.atomic_files import atomic_file
from reszoo.errors import UserError
from reszoo.planning import Plan, Row, StageSummary
from reszoo.planning.stage_table import stage_table
from reszoo.report.block_kinds import Kind, block_kinds
from reszoo.report.block_picture import COLOURS, block_nodes, draw_block, equation
from reszoo.report.block_table import draw_tables
from reszoo.report.drawing import (
    CARD_EDGE,
    FAINT,
    Arrow,
    Box,
    Drawing,
    Shape,
    Text,
    below,
    beside,
    bounds,
    one_line,
    shift,
    text_width,
)
from reszoo.report.text import format_shape, format_si

_GAP = 44.0
"""Space between blocks, and between networks."""
_SECTION_GAP = 26.0
_BLOCKS_WIDTH = 1160.0
"""Blocks stand beside each other up to this width, then below each other."""
_CHIP_GAP, _CHIP_LINE, _CHIP_SIZE = 18.0, 15.0, 11.5
_STAGE_COLOURS, _OTHER_COLOURS = ("#fff8e6", "#c4a24c"), ("#eef1f4", "#7b8794")
_TITLE_LINE, _NOTE_LINE = 48, 66
"""Characters of a line of the title, and of a note."""
_CHANGE_COLOUR = "#9a3412"
_ROLE_NAMES = {
    "transform": "H, the transform",
    "transform_gate": "T, the transform gate",
    "carry_gate": "C, the carry gate",
    "shortcut": "shortcut",
    "attention": "attention",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A network to draw."""

    plan: Plan
    title: str
    changes: Sequence[str] = ()
    """What differs from the network of the title, such as `block.connection=highway`."""


def draw_network(subject: Subject) -> Drawing:
    """Returns the diagram of a network: its stages and one block of each kind."""
    kinds = block_kinds(subject.plan)
    blocks = [_block(kind, with_table=True) for kind in kinds]
    panel = below([_heading(subject), _body(subject.plan, blocks)], _SECTION_GAP)
    return _sheet([subject], [panel], kinds)


def draw_twins(*subjects: Subject) -> Drawing:
    """Returns a diagram of networks beside each other, with the most frequent block of each."""
    headings = [_heading(subject) for subject in subjects]
    top = max(bounds(heading)[3] for heading in headings) + _SECTION_GAP
    panels, drawn = [], []
    for subject, heading in zip(subjects, headings, strict=True):
        kinds = sorted(block_kinds(subject.plan), key=lambda kind: -kind.count)
        blocks = [_block(kind, with_table=False) for kind in kinds[:1]]
        panel = [*heading, *shift(_body(subject.plan, blocks), 0, top)]
        panels.append(below([panel, *_not_drawn(kinds[1:])], 16))
        drawn += kinds[:1]
    return _sheet(subjects, panels, drawn)


def write_diagram(drawing: Drawing, path: Path | str) -> None:
    """Writes the drawing as SVG or PNG, by the suffix of the path, atomically.

    Raises:
      UserError: the path has another suffix.
      MachineError: the file cannot be written.
    """
    check_diagram_name(path)
    png = Path(path).suffix.lower() == ".png"
    content = drawing.png() if png else drawing.svg().encode()
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def check_diagram_name(path: Path | str) -> None:
    """Raises a `UserError` unless the path ends in .svg or .png."""
    if Path(path).suffix.lower() not in (".svg", ".png"):
        svg = Path(path).parent / f"{Path(path).stem or 'network'}.svg"
        raise UserError(
            f"cannot draw into {path}",
            expected="a file name that ends in .svg or .png",
            found=Path(path).suffix or "no suffix",
            hint=f"write --diagram {shlex.quote(str(svg))}",
        )


def _sheet(
    subjects: Sequence[Subject], panels: Sequence[Sequence[Shape]], drawn: Sequence[Kind]
) -> Drawing:
    """Returns panels beside each other, above the meaning of the colours of their blocks."""
    height = max(bounds(panel)[3] - bounds(panel)[1] for panel in panels)
    divider = [Box(0, 0, 0.2, height, CARD_EDGE, CARD_EDGE, radius=0)]
    groups = [group for panel in panels for group in (divider, panel)][1:]
    sections = [beside(groups, _GAP), *_legend(drawn)]
    title = " and ".join(one_line(_name(subject)) for subject in subjects)
    return Drawing.around(title, below(sections, _SECTION_GAP))


def _body(plan: Plan, blocks: Sequence[Sequence[Shape]]) -> list[Shape]:
    """Draws the stages from top to bottom, and the blocks beside them."""
    rows: list[list[Sequence[Shape]]] = [[]]
    for block in blocks:
        if rows[-1] and bounds(beside([*rows[-1], block], _GAP))[2] > _BLOCKS_WIDTH:
            rows.append([])
        rows[-1].append(block)
    column = [below([beside(row, _GAP) for row in rows], _GAP)] if blocks else []
    return beside([_stages(plan), *column], _GAP)


def _not_drawn(kinds: Sequence[Kind]) -> list[list[Shape]]:
    """Names the blocks that a picture of twins leaves out."""
    lines = []
    for kind in kinds:
        lines.append(f"Not drawn: {_kind_name(kind).lower()}")
        lines += wrap("; ".join(map(str, kind.places)), _NOTE_LINE)
    words = [[Text(0, 0, line, 11.5, colour=FAINT)] for line in lines]
    return [below(words, 4)] if words else []


def _name(subject: Subject) -> str:
    return " with ".join(filter(None, (subject.title, ", ".join(subject.changes))))


def _heading(subject: Subject) -> list[Shape]:
    """Writes the title, what was changed, and the cost."""
    parameters = sum(row.parameters for row in subject.plan.rows)
    macs = sum(row.macs for row in subject.plan.rows)
    facts = f"{parameters:,} parameters, {format_si(macs)} multiply-adds"
    changes = "with " + ", ".join(subject.changes) if subject.changes else ""
    lines = [
        *(Text(0, 0, line, 20, bold=True) for line in _wrap(subject.title, _TITLE_LINE)),
        Text(0, 0, facts, 13, colour=FAINT),
        *(Text(0, 0, line, 14, True, _CHANGE_COLOUR) for line in _wrap(changes, _NOTE_LINE)),
    ]
    return below([[line] for line in lines], 7)


def _wrap(text: str, length: int) -> list[str]:
    """Returns the lines of a text of the user's."""
    return wrap(one_line(text), length, break_on_hyphens=False)


def _block(kind: Kind, *, with_table: bool) -> list[Shape]:
    """Draws a kind of block: its name, equation and picture, and the numbers of each stage."""
    drawn, *others = kind.places
    words = [
        Text(0, 0, _kind_name(kind), 14, bold=True),
        Text(0, 0, equation(block_nodes(drawn)), 13),
        Text(0, 0, f"Drawn: {drawn}", 12, colour=FAINT),
    ]
    if not others:
        words[-1] = Text(0, 0, str(drawn).capitalize(), 12, colour=FAINT)
    elif not with_table:
        stages = list(dict.fromkeys(str(place.stage) for place in others))
        text = f"Other sizes: stage{'s' if len(stages) > 1 else ''} {', '.join(stages)}"
        words.append(Text(0, 0, text, 12, colour=FAINT))
    tables = [draw_tables(kind)] if others and with_table else []
    return below([below([[word] for word in words], 6), draw_block(drawn), *tables], 18)


def _kind_name(kind: Kind) -> str:
    """Returns the heading of a kind of block."""
    rows = kind.places[0].rows
    roles = {row.tags.role for row in rows}
    layers = sum(row.op in ("conv", "dense") for row in rows if row.tags.role == "transform")
    transform = {1: "one-layer ", 2: "two-layer ", 3: "three-layer "}.get(layers, "")
    if "transform_gate" in roles:
        connection = "highway"
    elif "carry_gate" in roles:
        connection = "shortcut-gated"
    else:
        merges = any(row.op == "add" and row.tags.role == "merge" for row in rows)
        connection = "residual" if merges else "plain"
    return f"{transform}{connection} block".capitalize() + _shortcut_name(rows)


def _shortcut_name(rows: Sequence[Row]) -> str:
    ops = {row.op for row in rows if row.tags.role == "shortcut"}
    if "pad_channels" in ops:
        return ", zero-padded shortcut"
    return ", projected shortcut" if "conv" in ops or "dense" in ops else ""


def _stages(plan: Plan) -> list[Shape]:
    """Draws the network from the image at the top to the logits at the bottom."""
    image = ["image", format_shape(plan.rows[0].shape)]
    parts = [(image, 1), *((_chip_lines(part), part.blocks) for part in stage_table(plan))]
    width = max(text_width(line, _CHIP_SIZE) for lines, _ in parts for line in lines) + 20
    shapes: list[Shape] = []
    for lines, blocks in parts:
        top = bounds(shapes)[3] + _CHIP_GAP if shapes else 0.0
        if shapes:
            shapes.append(Arrow(((width / 2, top - _CHIP_GAP), (width / 2, top))))
        shapes += shift(_chip(lines, blocks, width), 0, top)
    return shapes


def _chip_lines(part: StageSummary) -> list[str]:
    """Returns the words for a part of the network; blocks say what is in a stage."""
    blocks = f"{part.blocks} block{'s' if part.blocks > 1 else ''}"
    lines = [part.name, *([blocks] if part.name.startswith("stage") else part.layers)]
    if len(part.output) > 1:
        lines.append(format_shape(part.output))
    elif lines[-1] != f"dense {part.output[0]}":
        lines.append(f"{part.output[0]} features")
    return [*lines, f"{format_si(part.parameters)} params"] if part.parameters else lines


def _chip(lines: Sequence[str], blocks: int, width: float) -> list[Shape]:
    """Draws a part of the network; up to two boxes behind it stand for its other blocks."""
    colours = _STAGE_COLOURS if lines[0].startswith("stage") else _OTHER_COLOURS
    height = _CHIP_LINE * len(lines) + 10
    shapes: list[Shape] = [
        Box(4 * i, 4 * i, width, height, *colours) for i in range(min(blocks, 3) - 1, -1, -1)
    ]
    for number, line in enumerate(lines):
        y = 5 + _CHIP_LINE * (number + 0.5)
        shapes.append(Text(width / 2, y, line, _CHIP_SIZE, number == 0, anchor="middle"))
    return shapes


def _legend(kinds: Sequence[Kind]) -> list[list[Shape]]:
    """Draws the meaning of the colours of blocks, if there are any."""
    roles = {node.role for kind in kinds for node in block_nodes(kind.places[0])}
    entries: list[list[Shape]] = [
        [Box(0, 0, 14, 14, *COLOURS[role], radius=3), Text(22, 7, text, 12)]
        for role, text in _ROLE_NAMES.items()
        if role in roles
    ]
    return [beside(entries, 24)] if entries else []
