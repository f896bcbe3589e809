"""Diagram of a network: its stages from input to logits, and one block of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from reszoo.atomic_files import atomic_file
from reszoo.errors import UserError
from reszoo.planning import Plan, Row, StageSummary
from reszoo.planning.stage_table import stage_table
from reszoo.report.block_picture import COLOURS, GREY, draw_block, signature
from reszoo.report.drawing import FAINT, Arrow, Box, Drawing, Shape, Text, text_width
from reszoo.report.text import format_shape, format_si

_MARGIN, _GAP, _LINE = 28.0, 26.0, 17.0
_STAGE_COLOUR = "#fff8e6"
_ROLE_NAMES = (
    ("transform", "H, the transform"),
    ("shortcut", "shortcut"),
    ("transform_gate", "T, the transform gate"),
    ("carry_gate", "C, the carry gate"),
    ("attention", "attention"),
)


def draw_network(plan: Plan, title: str) -> Drawing:
    """Returns the diagram of a canonical plan, headed by `title`."""
    shapes: list[Shape] = [Text(_MARGIN, _MARGIN, title, 20, bold=True)]
    parameters = sum(row.parameters for row in plan.rows)
    macs = sum(row.macs for row in plan.rows)
    facts = f"{parameters:,} parameters, {format_si(macs)} multiply-adds"
    shapes.append(Text(_MARGIN, _MARGIN + 26, facts, 13, colour=FAINT))
    top = _MARGIN + 60
    stages = _stages(plan)
    width, height = _MARGIN + stages.width, top + stages.height
    shapes += _shift(stages.shapes, _MARGIN, top)
    for rows, places in kinds(plan):
        x = width + 2 * _GAP
        block = draw_block(plan, rows)
        caption = [Text(0, 0, _kind_name(rows), 14, bold=True)]
        caption += [Text(0, 20 + 15 * i, line, 11, colour=FAINT) for i, line in enumerate(places)]
        offset = 20 + 15 * len(places) + 12
        shapes += _shift(caption, x, top + 6)
        shapes += _shift(block.shapes, x, top + offset)
        width = x + max(block.width, *(text_width(text.text, text.size) for text in caption))
        height = max(height, top + offset + block.height)
    legend = _legend(plan)
    shapes += _shift(legend.shapes, _MARGIN, height + _GAP)
    return Drawing(
        max(width, legend.width + _MARGIN, text_width(title, 22) + _MARGIN) + _MARGIN,
        height + _GAP + legend.height + _MARGIN,
        shapes,
    )


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
        raise UserError(
            f"cannot draw into {path}",
            expected="a file name that ends in .svg or .png",
            found=Path(path).suffix or "no suffix",
            hint=f"write {Path(path).with_suffix('.svg')}",
        )


def kinds(plan: Plan) -> list[tuple[list[Row], list[str]]]:
    """Returns, for each kind of block, the rows of its last block and where the kind occurs.

    The places are lines such as `stage 2: blocks 2-4`.
    """
    blocks: dict[tuple[int, int], list[Row]] = {}
    for row in plan.rows:
        if row.tags.stage is not None and row.tags.block is not None:
            blocks.setdefault((row.tags.stage, row.tags.block), []).append(row)
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for place, rows in blocks.items():
        groups.setdefault(signature(rows), []).append(place)
    return [(blocks[places[-1]], _place_lines(places)) for places in groups.values()]


def _place_lines(places: Sequence[tuple[int, int]]) -> list[str]:
    lines = []
    for stage in dict.fromkeys(stage for stage, _ in places):
        numbers = [block for other, block in places if other == stage]
        if len(numbers) == 1:
            lines.append(f"stage {stage}: block {numbers[0]}")
        elif numbers[-1] - numbers[0] == len(numbers) - 1:
            lines.append(f"stage {stage}: blocks {numbers[0]}-{numbers[-1]}")
        else:
            lines.append(f"stage {stage}: blocks {', '.join(map(str, numbers))}")
    return lines


def _kind_name(rows: Sequence[Row]) -> str:
    """Returns the heading of a kind of block."""
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


def _stages(plan: Plan) -> Drawing:
    """Draws the network from the input at the top to the logits at the bottom."""
    parts = [(part, _part_lines(part)) for part in stage_table(plan)]
    width = max(text_width(line, 12) for _, lines in parts for line in lines) + 36
    image = f"image  {format_shape(plan.rows[0].shape)}"
    shapes: list[Shape] = [Text(width / 2, 8, image, 12, anchor="middle")]
    y = 18.0
    for part, lines in parts:
        height = _LINE * len(lines) + 14
        shapes.append(Arrow(((width / 2, y), (width / 2, y + _GAP))))
        fill = _STAGE_COLOUR if part.name.startswith("stage") else GREY
        if part.blocks > 1:  # a pile of blocks behind the first
            shapes += [
                Box(4 * i, y + _GAP + 4 * i, width, height, fill) for i in (2, 1) if part.blocks > i
            ]
        shapes.append(Box(0, y + _GAP, width, height, fill, tuple(lines), 12))
        y += _GAP + height
    return Drawing(width + 8, y + 8, shapes)


def _part_lines(part: StageSummary) -> list[str]:
    blocks = f": {part.blocks} blocks" if part.blocks > 1 else ""
    layers = list(part.layers)
    if len(layers) > 6:
        layers[5:] = [f"and {len(layers) - 5} more"]
    facts = f"{format_shape(part.output)},  {format_si(part.parameters)} parameters"
    return [f"{part.name}{blocks}", *layers, facts]


def _legend(plan: Plan) -> Drawing:
    """Draws the meaning of the colours that the blocks use."""
    roles = {row.tags.role for row in plan.rows}
    shapes: list[Shape] = []
    x = 0.0
    for role, text in _ROLE_NAMES:
        if role in roles:
            shapes += [Box(x, 0, 16, 16, COLOURS[role], radius=3), Text(x + 24, 8, text, 12)]
            x += 24 + text_width(text, 12) + 20
    return Drawing(x, 16, shapes)


def _shift(shapes: Iterable[Shape], right: float, down: float) -> Iterator[Shape]:
    for shape in shapes:
        if isinstance(shape, Arrow):
            yield replace(shape, points=tuple((x + right, y + down) for x, y in shape.points))
        else:
            yield replace(shape, x=shape.x + right, y=shape.y + down)
