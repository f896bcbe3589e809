"""Picture of one block: its rows as boxes, with a column per path from x to the merge.

A block is drawn as its equation, y = act(C(x) * shortcut(x) + T(x) * H(x)). A coupled highway
block, which computes x + T (H - x), is drawn as the equal C x + T H with C = 1 - T.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reszoo.planning import Row
from reszoo.report.block_kinds import EqualBlocks
from reszoo.report.drawing import FAINT, PAPER, Arrow, Box, Circle, Point, Shape, Text, text_width
from reszoo.report.text import format_shape

COLOURS = {
    "preactivation": ("#dbe9fb", "#4a7ebb"),
    "transform": ("#dbe9fb", "#4a7ebb"),
    "attention": ("#e8def8", "#8462b8"),
    "shortcut": ("#fdebcd", "#c08a2b"),
    "transform_gate": ("#d8f2de", "#3c9a5f"),
    "carry_gate": ("#fbe0e3", "#c65a6a"),
    "merge": (PAPER, "#7b8794"),
}
"""Fill and edge of the boxes of each role."""

_SIDE_COLUMNS = ("attention", "transform_gate", "carry_gate", "shortcut")
_LETTERS = {"transform": "H(x)", "attention": "H(x)", "transform_gate": "T", "carry_gate": "C"}
"""What the last row of each path is called in the equation."""
_SIGNS = {
    "add": (((-0.5, 0.0), (0.5, 0.0)), ((0.0, -0.5), (0.0, 0.5))),
    "subtract": (((-0.5, 0.0), (0.5, 0.0)),),
    "multiply": (((-0.4, -0.4), (0.4, 0.4)), ((-0.4, 0.4), (0.4, -0.4))),
}
"""Lines of a sign, in radii of its circle."""

_ROW, _BOX, _GAP, _LANE, _RADIUS, _SIZE = 40.0, 25.0, 24.0, 20.0, 10.0, 12.0
_LETTER_SPACE = 12.0
"""Further space above the first merge, for the letters of the equation."""
_MAIN_WIDTH, _SIDE_WIDTH = 116.0, 92.0
"""Least width of the column of H and of another column."""
_X = "x"
_END_FILL = "#eef1f4"


@dataclass(frozen=True, slots=True)
class BlockNode:
    """A box or a sign: what it is, what it reads, and its value in letters."""

    name: str
    op: str
    role: str
    inputs: tuple[str, ...]
    text: str = ""
    factor: str = ""
    """What a box of the merge multiplies its input by."""

    @property
    def is_sign(self) -> bool:
        """Whether it is drawn as a circle with a sign."""
        return self.op in _SIGNS


@dataclass(slots=True)
class _Layout:
    """Column and layer of each node, and their positions in pixels."""

    nodes: Mapping[str, BlockNode]
    cells: Mapping[str, tuple[int, int]]
    merge_layer: int
    """Layer of the first merge, above which all paths end."""
    widths: Sequence[float]
    lanes: dict[str, int] = field(default_factory=dict)
    """Lane of each node whose line runs beside the boxes down to a later merge."""

    def x(self, column: int) -> float:
        return sum(self.widths[:column]) + _GAP * column + self.widths[column] / 2

    def lane_x(self, lane: int) -> float:
        return sum(self.widths) + _GAP * (len(self.widths) - 0.2) + _LANE * lane

    def at(self, node: BlockNode) -> Point:
        column, layer = self.cells[node.name]
        return self.x(column), _ROW * layer + (_LETTER_SPACE if layer >= self.merge_layer else 0.0)

    def free(self, column: int, above: int, below: int) -> bool:
        """Returns whether the column has no node strictly between two layers."""
        return not any(c == column and above < layer < below for c, layer in self.cells.values())


def block_nodes(block: EqualBlocks) -> list[BlockNode]:
    """Returns the nodes of a block's equation, each after those that it reads."""
    own = {row.name for row in block.rows}
    nodes = []
    for row, (layer, number) in zip(block.rows, block.labels, strict=True):
        inputs = tuple(ref.row if ref.row in own else _X for ref in row.inputs)
        text = f"{layer}{_separator(row.op)}{number}" if number else layer
        nodes.append(BlockNode(row.name, row.op, path_of(row), inputs, text, _factor(row)))
    return _with_carry(nodes)


def equation(nodes: Sequence[BlockNode]) -> str:
    """Returns what a block computes, such as `y = relu(x + H(x))`."""
    formulas = _formulas(nodes)
    text = f"y = {formulas[nodes[-1].name]}"
    carry = [node for node in nodes if node.role == "carry_gate"]
    return f"{text},  C = {carry[-1].text}" if carry and carry[-1].op == "rescale" else text


def draw_block(block: EqualBlocks) -> list[Shape]:
    """Draws one block, from x at the top to y at the bottom."""
    nodes = block_nodes(block)
    layout = _layout(nodes)
    shapes: list[Shape] = []
    for node in layout.nodes.values():
        shapes += [_edge(layout, layout.nodes[name], node) for name in node.inputs]
    for node in layout.nodes.values():
        shapes += _draw_node(layout, node)
    shapes += _letters(layout, nodes)
    shapes += _ends(layout, block)
    return shapes


def _separator(op: str) -> str:
    return ", " if op in ("conv", "conv1d", "dense", "max_pool", "average_pool", "blur") else " "


def path_of(row: Row) -> str:
    """Returns the role by which a row is placed and coloured."""
    return "shortcut" if row.tags.part == "carry_constant" else row.tags.role


def _factor(row: Row) -> str:
    if row.op == "scale":
        return "T"
    if row.op != "rescale" or row.attributes["offset"]:
        return ""
    is_survival = row.tags.part == "survival_probability"
    return "p" if is_survival else f"{row.attributes['scale']:.3g}"


def _with_carry(nodes: list[BlockNode]) -> list[BlockNode]:
    """Rewrites x + T (H - x) as (1 - T) x + T H; other blocks stay as they are.

    Drop path between the product and the sum multiplies T (H - x) by one number for each image, so
    it may stand on T as well.
    """
    merge = [node for node in nodes if node.role == "merge"]
    end = next((index for index, node in enumerate(merge) if node.op == "add"), 0)
    if [node.op for node in merge[:2]] != ["subtract", "multiply"] or end < 2:
        return nodes
    (minus, times), drops, total = merge[:2], merge[2:end], merge[end]
    h, shortcut = minus.inputs
    gate = next(name for name in times.inputs if name != minus.name)
    is_gate = any(node.name == gate and node.role == "transform_gate" for node in nodes)
    chain = [times.name, *(drop.name for drop in drops)]
    is_chain = [drop.inputs for drop in drops] == [(name,) for name in chain[:-1]]
    is_factor = all(drop.op == "dropout" or drop.factor for drop in drops)
    if not (is_gate and is_chain and is_factor and total.inputs == (shortcut, chain[-1])):
        return nodes
    for index, drop in enumerate(drops):
        drops[index] = replace(drop, role="transform_gate", inputs=(gate,))
        gate = drop.name
    carry = BlockNode("carry", "rescale", "carry_gate", (gate,), "1 - T")
    carried = BlockNode("carried", "multiply", "merge", (carry.name, shortcut))
    changed = replace(times, inputs=(gate, h))
    total = replace(total, inputs=(carried.name, changed.name))
    before = [node for node in nodes if node.role != "merge"]
    return [*before, *drops, carry, carried, changed, total, *merge[end + 1 :]]


def _formulas(nodes: Iterable[BlockNode]) -> dict[str, str]:
    """Returns the value of each node as a formula of x, H, T and C."""
    formulas = {_X: "x"}
    for node in nodes:
        formulas[node.name] = _formula(node, [formulas[name] for name in node.inputs])
    return formulas


def _formula(node: BlockNode, inputs: Sequence[str]) -> str:
    if letter := _LETTERS.get(node.role):
        return letter
    if node.op == "add":
        return " + ".join(inputs)
    if node.op == "subtract":
        return " - ".join(inputs)
    if node.op == "multiply":
        return _product(sorted(inputs, key=lambda text: text not in ("T", "C")))
    if node.factor:
        return _product([node.factor, inputs[0]])
    if node.op == "dropout":
        return inputs[0]
    if node.role == "shortcut":
        return "shortcut(x)"
    function = node.text if node.op == "activation" else node.op.replace("_", " ")
    return f"{function}({', '.join(inputs)})"


def _product(factors: Iterable[str]) -> str:
    is_sum = re.compile(r" [+-] ").search
    return " * ".join(f"({text})" if is_sum(text) else text for text in factors)


def _layout(nodes: Sequence[BlockNode]) -> _Layout:
    by_name = {_X: BlockNode(_X, "image", "", ())} | {node.name: node for node in nodes}
    paths = [role for role in _SIDE_COLUMNS if any(node.role == role for node in nodes)]
    cells = _cells(by_name, paths)
    paths_end = max(cells[node.name][1] for node in by_name.values() if node.role != "merge")
    widths = [_MAIN_WIDTH, *[_SIDE_WIDTH] * len(paths)]
    for node in nodes:
        column, _ = cells[node.name]
        widths[column] = max(widths[column], text_width(node.text, _SIZE) + 18)
    layout = _Layout(by_name, cells, paths_end + 1, widths)
    _choose_lanes(layout)
    return layout


def _cells(nodes: Mapping[str, BlockNode], paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Returns the column and layer of each node: below its inputs, beside the other paths."""
    cells: dict[str, tuple[int, int]] = {}
    paths_end = 0
    for node in nodes.values():
        layer = max((cells[name][1] + 1 for name in node.inputs), default=0)
        if node.role == "merge":  # below all paths, so that no line to it runs through their boxes
            layer = max(layer, paths_end + 1)
        column = _column(node, nodes, cells, paths)
        while (column, layer) in cells.values():
            layer += 1
        cells[node.name] = (column, layer)
        if node.role != "merge":
            paths_end = max(paths_end, layer)
    return cells


def _column(
    node: BlockNode,
    nodes: Mapping[str, BlockNode],
    cells: Mapping[str, tuple[int, int]],
    paths: Sequence[str],
) -> int:
    """Returns the column of a node: 0 for H, one for each other path."""
    read = [nodes[name] for name in node.inputs if name != _X]
    if node.op == "multiply" and any(other.role == "carry_gate" for other in read):
        return paths.index("carry_gate") + 1
    if node.is_sign or node.role == "merge":
        return min((cells[other.name][0] for other in read), default=0)
    return paths.index(node.role) + 1 if node.role in paths else 0


def _choose_lanes(layout: _Layout) -> None:
    """Gives a lane to every line that would run through boxes of its own column."""
    for node in layout.nodes.values():
        column, layer = layout.cells[node.name]
        for name in node.inputs:
            from_column, from_layer = layout.cells[name]
            if from_column <= column and not layout.free(column, from_layer, layer):
                layout.lanes.setdefault(name, len(layout.lanes))


def _edge(layout: _Layout, source: BlockNode, target: BlockNode) -> Arrow:
    (x0, y0), (x1, y1) = layout.at(source), layout.at(target)
    (from_column, from_layer), (column, layer) = (
        layout.cells[node.name] for node in (source, target)
    )
    bottom, top = y0 + _half_height(source), y1 - _half_height(target)
    side = x1 + (_RADIUS if target.is_sign else layout.widths[column] / 2)
    if from_column > column:  # comes back: down, then across
        return Arrow(((x0, bottom), (x0, y1), (side, y1)))
    if not layout.free(column, from_layer, layer):
        lane = layout.lane_x(layout.lanes[source.name])
        out = x0 + (layout.widths[from_column] / 2 if source.text else _RADIUS)
        return Arrow(((out, y0), (lane, y0), (lane, y1), (side, y1)))
    if column > from_column:  # branches off: across, then down
        bend = bottom + (_ROW - _BOX) / 2
        return Arrow(((x0, bottom), (x0, bend), (x1, bend), (x1, top)))
    return Arrow(((x0, bottom), (x1, top)))


def _half_height(node: BlockNode) -> float:
    return _RADIUS if node.is_sign or node.name == _X else _BOX / 2


def _draw_node(layout: _Layout, node: BlockNode) -> list[Shape]:
    x, y = layout.at(node)
    if node.name == _X:
        return _end(x, y, _X)
    if node.is_sign:
        lines = [
            [(x + _RADIUS * dx, y + _RADIUS * dy) for dx, dy in line] for line in _SIGNS[node.op]
        ]
        return [Circle(x, y, _RADIUS), *(Arrow(tuple(line), head=False) for line in lines)]
    width = layout.widths[layout.cells[node.name][0]]
    box = Box(x - width / 2, y - _BOX / 2, width, _BOX, *COLOURS.get(node.role, COLOURS["merge"]))
    return [box, Text(x, y, node.text, _SIZE, anchor="middle")]


def _letters(layout: _Layout, nodes: Sequence[BlockNode]) -> list[Shape]:
    """Writes H(x), T and C beside the ends of their paths, and products beside their signs."""
    formulas = _formulas(nodes)
    ends = {_LETTERS[node.role]: node for node in nodes if node.role in _LETTERS}
    shapes: list[Shape] = []
    for letter, node in ends.items():
        if node == nodes[-1]:  # a plain block without anything after H
            continue
        x, y = layout.at(node)
        at = (x - 6, y + _half_height(node) + 9)
        shapes.append(Text(*at, letter, _SIZE, bold=True, anchor="end"))
    for node in nodes:
        if node.op in ("multiply", "subtract") and node.role == "merge":
            x, y = layout.at(node)
            at = (x - _RADIUS - 6, y)
            shapes.append(Text(*at, formulas[node.name], _SIZE, bold=True, anchor="end"))
    return shapes


def _ends(layout: _Layout, block: EqualBlocks) -> list[Shape]:
    """Draws y below the last node, and the shapes of x and y."""
    last = layout.nodes[block.rows[-1].name]
    x, y = layout.at(last)
    bottom = y + _half_height(last)
    below = bottom + _ROW - _BOX + _RADIUS
    ends = ((*layout.at(layout.nodes[_X]), block.entry), (x, below, block.exit))
    return [
        Arrow(((x, bottom), (x, below - _RADIUS))),
        *_end(x, below, "y"),
        *(
            Text(end_x - _RADIUS - 8, end_y, format_shape(shape), _SIZE, False, FAINT, "end")
            for end_x, end_y, shape in ends
        ),
    ]


def _end(x: float, y: float, letter: str) -> list[Shape]:
    return [Circle(x, y, _RADIUS, _END_FILL), Text(x, y, letter, 13, bold=True, anchor="middle")]
