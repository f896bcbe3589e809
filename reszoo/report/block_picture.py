"""Picture of one block: its rows as boxes, with a column per path from x to the merge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reszoo.planning.rows import Plan, Row
from reszoo.report.drawing import PAPER, Arrow, Box, Disc, Drawing, Point, Shape, Text, text_width
from reszoo.report.text import format_shape

GREY = "#e4e7eb"
COLOURS = {
    "preactivation": "#d9e8fb",
    "transform": "#d9e8fb",
    "attention": "#e5dbf7",
    "shortcut": "#fde7c7",
    "transform_gate": "#d3f0d9",
    "carry_gate": "#f9d9de",
    "merge": PAPER,
}
"""Fill colour of each role inside a block; all others are grey."""

_SIDE_COLUMNS = ("attention", "transform_gate", "carry_gate", "shortcut")
_SIGNS = {"add": "plus", "multiply": "times", "subtract": "minus"}

_ROW, _BOX, _GAP, _LANE, _SIZE = 42.0, 26.0, 26.0, 22.0, 12.0
_TOP = 18.0
"""Space above x for its shape."""
_X = "x"


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    row: Row | None
    inputs: tuple[str, ...]
    column: int
    layer: int

    @property
    def sign(self) -> str | None:
        return _SIGNS.get(self.row.op) if self.row else None


@dataclass(slots=True)
class _Layout:
    """Positions of the nodes: column and layer in a grid, and pixels."""

    nodes: dict[str, _Node]
    widths: list[float]
    lanes: dict[str, int] = field(default_factory=dict)
    """Lane of each node whose line runs beside the boxes down to a later merge."""

    def x(self, column: int) -> float:
        return sum(self.widths[:column]) + _GAP * column + self.widths[column] / 2

    def lane_x(self, lane: int) -> float:
        return sum(self.widths) + _GAP * len(self.widths) + _LANE * lane

    def at(self, node: _Node) -> Point:
        return self.x(node.column), _ROW * node.layer + _BOX / 2 + _TOP

    def free(self, column: int, above: int, below: int) -> bool:
        """Returns whether the column has no node strictly between two layers."""
        return not any(
            node.column == column and above < node.layer < below for node in self.nodes.values()
        )


def signature(rows: Iterable[Row]) -> tuple[object, ...]:
    """Returns a value that is equal for blocks with the same layers and wiring, of any size."""
    nodes = _nodes(rows, ()).values()
    places = {node.name: index for index, node in enumerate(nodes)}
    return tuple(
        (node.row.tags.role, node.row.op, tuple(places[name] for name in node.inputs))
        for node in nodes
        if node.row
    )


def draw_block(plan: Plan, rows: Sequence[Row]) -> Drawing:
    """Draws one block of the plan, from x at the top to y at the bottom."""
    layout = _layout(rows)
    shapes: list[Shape] = []
    for node in layout.nodes.values():
        shapes += [_edge(layout, layout.nodes[name], node) for name in node.inputs]
    shapes += [_node(layout, node) for node in layout.nodes.values()]
    last = layout.nodes[rows[-1].name]
    x, y = layout.at(last)
    shapes.append(Arrow(((x, y + _BOX / 2), (x, y + _BOX / 2 + 20))))
    shapes.append(Text(x + 8, y + _BOX / 2 + 14, f"y  {format_shape(rows[-1].shape)}", _SIZE))
    entry = plan.row(next(ref.row for row in rows for ref in row.inputs)).shape
    shapes.append(Text(layout.x(0), 6, format_shape(entry), _SIZE, anchor="middle"))
    lanes = len(set(layout.lanes.values()))
    width = layout.lane_x(lanes) if lanes else sum(layout.widths) + _GAP * len(layout.widths)
    return Drawing(max(width, x + 110), y + _BOX / 2 + 28, shapes)


def label(row: Row) -> str:
    """Returns a short description of a row: `3x3 conv, 64, /2`."""
    values = row.attributes
    stride = f", /{values['stride']}" if values.get("stride", 1) > 1 else ""
    if row.op == "conv":
        groups = f", {values['groups']} groups" if values["groups"] > 1 else ""
        return f"{values['kernel']}x{values['kernel']} conv, {values['filters']}{groups}{stride}"
    if row.op == "conv1d":
        return f"1-d conv, {values['kernel']}"
    if row.op == "dense":
        return f"dense, {values['units']}"
    if row.op in ("max_pool", "average_pool"):
        return f"{values['size']}x{values['size']} {row.op.removesuffix('_pool')} pool{stride}"
    if row.op == "activation":
        return str(values["function"])
    if row.op == "norm":
        return "batch norm"
    if row.op == "pad_channels":
        return f"zero channels, +{values['before'] + values['after']}"
    if row.op == "rescale":
        scale, offset = values["scale"], values["offset"]
        plus = f", plus {offset:.3g}" if offset else ""
        return f"{offset:g} - gate" if scale == -1.0 else f"times {scale:.3g}{plus}"
    if row.op == "dropout":
        return f"{'dropout' if values['each'] == 'value' else 'drop path'} {values['rate']:.2g}"
    if row.op in ("subsample", "blur"):
        return f"{row.op}{stride}"
    return {"scale": "learned scale"}.get(row.op, row.op.replace("_", " "))


def _layout(rows: Sequence[Row]) -> _Layout:
    used = [role for role in _SIDE_COLUMNS if any(row.tags.role == role for row in rows)]
    nodes = _nodes(rows, used)
    layout = _Layout(nodes, [_column_width(nodes.values(), i) for i in range(len(used) + 1)])
    _choose_lanes(layout)
    return layout


def _nodes(rows: Iterable[Row], columns: Sequence[str]) -> dict[str, _Node]:
    """Places x and the drawn rows, each below its inputs and in the column of its role."""
    nodes = {_X: _Node(_X, None, (), 0, 0)}
    drawn_as: dict[str, str] = {}
    taken = {(0, 0)}
    for row in rows:
        inputs = tuple(dict.fromkeys(drawn_as.get(ref.row, _X) for ref in row.inputs))
        if row.op == "pad":  # drawn with the row whose input it pads
            drawn_as[row.name] = inputs[0]
            continue
        column = _column(row, [nodes[name] for name in inputs], columns)
        # All paths end above the first merge, so that no line to it runs through their boxes.
        above = nodes if row.tags.role == "merge" else inputs
        layer = 1 + max(nodes[name].layer for name in above)
        while (column, layer) in taken:
            layer += 1
        taken.add((column, layer))
        drawn_as[row.name] = row.name
        nodes[row.name] = _Node(row.name, row, inputs, column, layer)
    return nodes


def _column(row: Row, inputs: Sequence[_Node], columns: Sequence[str]) -> int:
    """Returns the column of a row: the first for the transform, one for each other path."""
    if row.op in _SIGNS:  # merged where its inputs come from, x aside
        return min((node.column for node in inputs if node.row), default=0)
    return columns.index(row.tags.role) + 1 if row.tags.role in columns else 0


def _column_width(nodes: Iterable[_Node], column: int) -> float:
    labels = [label(node.row) for node in nodes if node.column == column and node.row]
    return max([text_width(text, _SIZE) + 16 for text in labels] + [96.0])


def _choose_lanes(layout: _Layout) -> None:
    """Gives a lane to every line that would run through boxes of its own column."""
    for node in layout.nodes.values():
        for name in node.inputs:
            source = layout.nodes[name]
            comes_back = source.column > node.column
            if not comes_back and not layout.free(node.column, source.layer, node.layer):
                layout.lanes.setdefault(name, len(layout.lanes))


def _edge(layout: _Layout, source: _Node, target: _Node) -> Arrow:
    (x0, y0), (x1, y1) = layout.at(source), layout.at(target)
    top, side = y1 - _reach(target), x1 + _reach(target, sideways=layout.widths[target.column])
    if source.column > target.column:  # comes back: down, then across
        return Arrow(((x0, y0 + _reach(source)), (x0, y1), (side, y1)))
    if not layout.free(target.column, source.layer, target.layer):
        lane = layout.lane_x(layout.lanes[source.name])
        out = x0 + _reach(source, sideways=layout.widths[source.column])
        return Arrow(((out, y0), (lane, y0), (lane, y1), (side, y1)))
    if target.column > source.column:  # branches off: across, then down
        bend = y0 + _reach(source) + (_ROW - _BOX) / 2
        return Arrow(((x0, y0 + _reach(source)), (x0, bend), (x1, bend), (x1, top)))
    return Arrow(((x0, y0 + _reach(source)), (x1, top)))


def _reach(node: _Node, sideways: float | None = None) -> float:
    """Returns the distance from a node's centre to its edge."""
    if node.row is None or node.sign:
        return 10.0
    return _BOX / 2 if sideways is None else sideways / 2


def _node(layout: _Layout, node: _Node) -> Shape:
    x, y = layout.at(node)
    if node.row is None:
        return Disc(x, y, 10.0, GREY, _X)
    if node.sign:
        return Disc(x, y, 10.0, PAPER, node.sign)
    width, fill = layout.widths[node.column], COLOURS.get(node.row.tags.role, GREY)
    return Box(x - width / 2, y - _BOX / 2, width, _BOX, fill, (label(node.row),), _SIZE)
