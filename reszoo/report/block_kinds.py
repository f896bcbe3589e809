"""Kinds of blocks in a network: which blocks have equal layers, and their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reszoo.planning import Plan, Row
from reszoo.planning.rows import Shape
from reszoo.spec.per_axis import short, times

_VARIES_IN_A_STAGE = ("dropout", "rescale")
"""Ops whose number may change from block to block, as that of drop path does."""


@dataclass(frozen=True, slots=True)
class EqualBlocks:
    """Blocks of one stage that differ in nothing but the rates of drop path."""

    stage: int
    numbers: tuple[int, ...]
    """Their numbers in the stage, from 1."""
    entry: Shape
    """Shape of x."""
    rows: tuple[Row, ...]
    """Rows of the first of them; a row that pads is part of the row that reads it."""
    labels: tuple[tuple[str, str], ...]
    """Layer and numbers of each row, such as `3x3 conv` and `64, /2`."""

    @property
    def exit(self) -> Shape:
        """Shape of y."""
        return self.rows[-1].shape

    @property
    def blocks(self) -> str:
        """Their numbers in words, such as `blocks 2-4`."""
        first, last = self.numbers[0], self.numbers[-1]
        if first == last:
            return f"block {first}"
        if last - first == len(self.numbers) - 1:
            return f"blocks {first}-{last}"
        return f"blocks {', '.join(map(str, self.numbers))}"

    def __str__(self) -> str:
        return f"stage {self.stage}, {self.blocks}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of block: equal layers and wiring, of any size."""

    places: tuple[EqualBlocks, ...]

    @property
    def count(self) -> int:
        """Number of blocks of this kind."""
        return sum(len(place.numbers) for place in self.places)


def block_kinds(plan: Plan) -> list[Kind]:
    """Returns the kinds of blocks of a network, in the order in which they appear."""
    shapes = {row.name: row.shape for row in plan.rows}
    kinds: dict[object, dict[object, list[list[Row]]]] = {}
    for rows in _blocks(plan):
        kind = kinds.setdefault(_wiring(rows), {})
        kind.setdefault((rows[0].tags.stage, _entry(rows, shapes), _sizes(rows)), []).append(rows)
    return [
        Kind(tuple(_equal_blocks(blocks, shapes) for blocks in kind.values()))
        for kind in kinds.values()
    ]


def _blocks(plan: Plan) -> Iterator[list[Row]]:
    blocks: dict[tuple[int, int], list[Row]] = {}
    for row in plan.rows:
        if row.tags.stage is not None and row.tags.block is not None:
            blocks.setdefault((row.tags.stage, row.tags.block), []).append(row)
    return map(_without_pads, blocks.values())


def _equal_blocks(blocks: Sequence[Sequence[Row]], shapes: Mapping[str, Shape]) -> EqualBlocks:
    first, last = blocks[0], blocks[-1]
    return EqualBlocks(
        stage=first[0].tags.stage or 0,
        numbers=tuple(rows[0].tags.block or 0 for rows in blocks),
        entry=_entry(first, shapes),
        rows=tuple(first),
        labels=tuple(map(_merged_label, first, last)),
    )


def label(row: Row) -> tuple[str, str]:
    """Returns the layer and the numbers of a row: `3x3 conv` and `64, /2`."""
    values = row.attributes
    stride = f"/{short(values['stride'])}" if values.get("stride", 1) != 1 else ""
    match row.op:
        case "conv":
            size = times(values["kernel"])
            filters, groups = values["filters"], values["groups"]
            depthwise = " depthwise" if 1 < groups == filters else ""
            grouped = f" ({groups} groups)" if 1 < groups < filters else ""
            return f"{size}{depthwise} conv{grouped}", ", ".join(
                filter(None, (str(filters), stride))
            )
        case "conv1d":
            return "1-d conv", f"kernel {values['kernel']}"
        case "dense":
            return "dense", str(values["units"])
        case "max_pool" | "average_pool":
            return f"{times(values['size'])} {row.op.replace('_', ' ')}", stride
        case "activation":
            return str(values["function"]), ""
        case "norm":
            return "batch norm", ""
        case "group_norm":
            return "group norm", f"{values['groups']} groups"
        case "pad_channels":
            return "zero channels", f"+{values['before'] + values['after']}"
        case "dropout":
            return "dropout" if values["each"] == "value" else "drop path", f"{values['rate']:.2g}"
        case "rescale" if values["scale"] == -1.0:
            return f"{values['offset']:g} - g", ""
        case "rescale":
            offset = f" plus {values['offset']:.3g}" if values["offset"] else ""
            survival = "p = " if row.tags.part == "survival_probability" else ""
            return "times", f"{survival}{values['scale']:.3g}{offset}"
        case "scale":
            return "times T, learned", ""
        case "global_average_pool" | "global_max_pool":
            return row.op.removeprefix("global_").replace("_", " "), ""
    return row.op.replace("_", " "), stride


def _without_pads(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows without those that pad the input of the next one."""
    source = {row.name: row.inputs[0] for row in rows if row.op == "pad"}
    return [
        replace(row, inputs=tuple(source.get(ref.row, ref) for ref in row.inputs))
        for row in rows
        if row.op != "pad"
    ]


def _wiring(rows: Sequence[Row]) -> tuple[object, ...]:
    """Returns a value that is equal for blocks with the same layers and wiring, of any size."""
    places = {row.name: index for index, row in enumerate(rows)}
    return tuple(
        (row.tags.role, row.op, label(row)[0], tuple(places.get(ref.row) for ref in row.inputs))
        for row in rows
    )


def _sizes(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(label(row)[row.op not in _VARIES_IN_A_STAGE] for row in rows)


def _entry(rows: Sequence[Row], shapes: Mapping[str, Shape]) -> Shape:
    own = {row.name for row in rows}
    return shapes[next(ref.row for row in rows for ref in row.inputs if ref.row not in own)]


def _merged_label(first: Row, last: Row) -> tuple[str, str]:
    """Returns the label of a row whose number may change from the first to the last block."""
    layer, number = label(first)
    other = label(last)[1]
    return layer, number if number == other else f"{number} to {other.removeprefix('p = ')}"
