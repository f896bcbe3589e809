"""Lesions: what a trained network loses without some of its blocks (Srivastava 2015, Figure 4).

A block is closed by leaving out what it adds to its shortcut: the gate is forced shut, the residual
branch is dropped. Blocks that a net hardly misses were hardly used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from reszoo.errors import UserError
from reszoo.exporting.report_progress import report_progress
from reszoo.figures.heat_maps import HeatMap, heat_maps
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.inference.trained import Target
from reszoo.planning.block_chain import Segment
from reszoo.studies.pruning import prune
from reszoo.studies.studied_network import (
    LIMIT,
    StudiedNetwork,
    open_network,
    tick_blocks,
    without_remapping,
)
from reszoo.studies.study_folder import StudyFolder, StudyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PAIRS = 45
_DRAWS = 3
_MOST_COUNTS = 8
"""Numbers of closed blocks, and of exchanged ones, for which random blocks are drawn."""
_COMBINATION_MACS = 2.5e12
"""Multiply-adds of all combinations together: half a minute on two cores. Their number of images
follows from it."""
_LEAST_IMAGES = 64
IDLE_POINTS = 0.5
"""A block that costs at most so many points of accuracy is idle."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """The accuracy with some blocks closed or exchanged."""

    kind: str
    """`none`, `block` (one closed), `pair`, `random` (some closed) or `shuffle`."""
    blocks: str
    """The closed blocks, or the blocks in their new order."""
    count: int
    """Number of closed blocks, or of exchanged pairs of blocks."""
    accuracy: float
    drop: float
    """Percentage points below the intact network on the same images."""
    images: int


@dataclass(frozen=True, slots=True)
class _Change:
    """A network with some blocks closed and all blocks in an order."""

    kind: str
    count: int
    closed: frozenset[int]
    order: tuple[int, ...]


def lesion(
    run: Target,
    *,
    write: Path | str | None = None,
    max_drop: float = 1.0,
    data: Any = None,
    limit: int = LIMIT,
    seed: int = 0,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[Lesion]:
    """Measures the accuracy with each block closed, pairs, random blocks, and shuffled blocks.

        >>> from reszoo import studies
        >>> result = studies.lesion("runs/resnet20-cifar10-1")  # doctest: +SKIP

    Args:
      run: a trained network: a run, its folder, or a `.keras` file.
      write: saves the network without the blocks it misses least to this `.keras` file.
      max_drop: with `write`, percentage points that the network may lose.
      data: the data, where they have moved. Defaults to the run's own.
      limit: number of images of the training split. Combinations of blocks are measured on fewer.
      seed: seed of the random choices.
      out: folder of the study. Defaults to `RUN/study/lesion`.
      data_dir: folder of downloaded data sets.

    Raises:
      UserError: no block has a shortcut, or no block can be removed.
    """
    if write is not None:
        _check_suffix(write)
    network = open_network(run, data=data, limit=limit, data_dir=data_dir)
    closable = [index for index, block in enumerate(network.blocks) if block.addition is not None]
    network.require(bool(closable), "lesion", "shortcuts")
    inputs = network.facts() | {"seed": seed, "write": write, "max_drop": max_drop}
    folder = StudyFolder(Path(out) if out else network.default_folder("lesion"), "lesion", inputs)
    with without_remapping():
        operation = _Operation(network)
        rows = _single_lesions(operation, folder, closable)
        changes = _combinations(network.blocks, closable, np.random.default_rng(seed))
        rows += _combination_lesions(operation, folder, changes)
        table = Table(Lesion, tuple(rows))
        findings = [*_findings(table, network.name)]
        if write is not None:
            costs = {index: row.drop for index, row in zip(closable, rows[1:], strict=False)}
            pruned = prune(network, costs, max_drop, operation.correct, write)
            findings.append(pruned.sentence)
    return folder.finish(
        title=f"Lesions of {network.name}",
        table=table,
        figure=_draw(table, network.blocks, closable),
        findings=findings,
        measured=[
            "Accuracy when blocks add nothing to their shortcut (gates forced shut, residual "
            "branches dropped), and when blocks of equal shape in one stage exchange their places.",
            f"{network.source}. Combinations on {rows[-1].images:,} of them.",
        ],
        figures=_pair_figure(table, network.blocks, closable),
    )


class _Operation:
    """Runs a network whose blocks are closed or in another order."""

    def __init__(self, network: StudiedNetwork) -> None:
        self.network = network
        parts = network.segments
        self._open = [network.segment_function(segment) for segment in parts]
        self._closed = {
            position: network.segment_function(segment, closed=True)
            for position, segment in enumerate(parts)
            if segment.addition is not None
        }
        self._positions = [i for i, segment in enumerate(parts) if segment.block is not None]

    def start(self, pixels: np.ndarray) -> Any:
        """Returns what enters the first block."""
        x = tf.constant(pixels)
        for function in self._open[: self._positions[0]]:
            x = function(x)
        return x

    def run_block(self, index: int, x: Any) -> Any:
        """Returns what enters the next block; layers between stages are included."""
        position = self._positions[index]
        return self._between(index, self._open[position](x))

    def finish(self, x: Any, first: int, change: _Change) -> np.ndarray:
        """Returns the logits from what enters the block `first`, with some blocks changed."""
        for index in range(first, len(self._positions)):
            source = change.order[index]
            position = self._positions[source]
            function = self._closed[position] if source in change.closed else self._open[position]
            x = self._between(index, function(x))
        return np.asarray(x)

    def _between(self, index: int, x: Any) -> Any:
        """Runs the segments between a block and the next one (after the last: to the logits)."""
        later = self._positions[index + 1] if index + 1 < len(self._positions) else None
        for function in self._open[self._positions[index] + 1 : later]:
            x = function(x)
        return x

    def correct(self, closed: frozenset[int], batch: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Returns for each image of a batch whether its class is right with some blocks closed."""
        order = tuple(range(len(self._positions)))
        change = _Change("random", len(closed), closed, order)
        pixels, labels = batch
        right: np.ndarray = self.finish(self.start(pixels), 0, change).argmax(axis=1) == labels
        return right


def _single_lesions(
    operation: _Operation, folder: StudyFolder, closable: Sequence[int]
) -> list[Lesion]:
    """Closes one block after another; what comes before the block is computed once."""
    network = operation.network
    totals = np.zeros(1 + len(closable), int)
    images = 0
    for number, (pixels, labels) in enumerate(network.batches("closing one block at a time")):
        totals += folder.step(
            f"blocks, batch {number}",
            partial(_count_singles, operation, closable, pixels, labels),
        )
        images += len(labels)
    intact = totals[0] / images
    rows = [Lesion("none", "", 0, float(intact), 0.0, images)]
    for index, right in zip(closable, totals[1:], strict=True):
        accuracy = float(right / images)
        drop = 100 * (float(intact) - accuracy)
        rows.append(Lesion("block", network.blocks[index].name, 1, accuracy, drop, images))
    return rows


def _count_singles(
    operation: _Operation, closable: Sequence[int], pixels: np.ndarray, labels: np.ndarray
) -> list[int]:
    order = tuple(range(len(operation.network.blocks)))
    counts = []
    x = operation.start(pixels)
    for index in order:
        if index in closable:
            logits = operation.finish(x, index, _Change("block", 1, frozenset({index}), order))
            counts.append(int((logits.argmax(axis=1) == labels).sum()))
        x = operation.run_block(index, x)
    intact = int((np.asarray(x).argmax(axis=1) == labels).sum())
    return [intact, *counts]


def _combinations(
    blocks: Sequence[Segment], closable: Sequence[int], generator: np.random.Generator
) -> list[_Change]:
    order = tuple(range(len(blocks)))
    changes = [_Change("none", 0, frozenset(), order)]
    pairs = list(itertools.combinations(closable, 2))
    if len(pairs) > _MOST_PAIRS:
        picked = generator.choice(len(pairs), _MOST_PAIRS, replace=False)
        pairs = [pairs[index] for index in sorted(picked)]
    changes += [_Change("pair", 2, frozenset(pair), order) for pair in pairs]
    for count in _counts(len(closable)):
        for _ in range(_DRAWS):
            closed = frozenset(int(i) for i in generator.choice(closable, count, replace=False))
            changes.append(_Change("random", count, closed, order))
    swaps = [*_exchangeable(blocks)]
    for count in _counts(min(len(swaps), 2 * _MOST_COUNTS)):
        for _ in range(_DRAWS):
            shuffled = list(order)
            for first, second in generator.choice(swaps, count, replace=False):
                shuffled[first], shuffled[second] = shuffled[second], shuffled[first]
            changes.append(_Change("shuffle", count, frozenset(), tuple(shuffled)))
    return changes


def _counts(most: int) -> list[int]:
    """Returns up to eight numbers from 1 to `most`."""
    return [round(number) for number in np.linspace(1, most, min(most, _MOST_COUNTS))]


def _exchangeable(blocks: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    """Yields pairs of blocks of one stage that have the same shapes and layers."""
    kinds = [
        (block.stage, tuple((row.op, row.shape, row.tags.part) for row in block.rows))
        for block in blocks
    ]
    for first, second in itertools.combinations(range(len(blocks)), 2):
        if kinds[first] == kinds[second]:
            yield first, second


def _combination_lesions(
    operation: _Operation, folder: StudyFolder, changes: Sequence[_Change]
) -> list[Lesion]:
    network = operation.network
    macs = max(1, sum(row.macs for row in network.plan.rows)) * len(changes)
    images = min(len(network.images), max(_LEAST_IMAGES, int(_COMBINATION_MACS / macs)))
    batches = [
        (operation.start(pixels), labels)
        for pixels, labels in StudiedNetwork(
            network.trained,
            network.plan,
            network.model,
            network.images.sample(images),
            network.source,
            network.classes,
        ).batches("reading images")
    ]
    accuracies = [
        folder.step(f"combination {number}", partial(_accuracy, operation, batches, change))
        for number, change in enumerate(
            report_progress(changes, "combinations of blocks", "combinations")
        )
    ]
    return [
        Lesion(
            change.kind,
            _describe(change, network.blocks),
            change.count,
            accuracy,
            100 * (accuracies[0] - accuracy),
            images,
        )
        for change, accuracy in zip(changes[1:], accuracies[1:], strict=True)
    ]


def _accuracy(
    operation: _Operation, batches: Sequence[tuple[Any, np.ndarray]], change: _Change
) -> float:
    right = [operation.finish(x, 0, change).argmax(axis=1) == labels for x, labels in batches]
    return float(np.concatenate(right).mean())


def _describe(change: _Change, blocks: Sequence[Segment]) -> str:
    if change.kind == "shuffle":
        return " ".join(blocks[index].name for index in change.order)
    return " ".join(blocks[index].name for index in sorted(change.closed))


def _draw(table: Table[Lesion], blocks: Sequence[Segment], closable: Sequence[int]) -> Figure:
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


def _pair_figure(
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


def _findings(table: Table[Lesion], name: str) -> Iterable[str]:
    singles = [row for row in table if row.kind == "block"]
    worst = max(singles, key=lambda row: row.drop)
    idle = [row for row in singles if row.drop <= IDLE_POINTS]
    yield (
        f"{name} has an accuracy of {100 * table.rows[0].accuracy:.2f} % on these images; without "
        f"{worst.blocks}, the block that matters most, {100 * worst.accuracy:.2f} %."
    )
    yield (
        f"{len(idle)} of {len(singles)} blocks ({100 * len(idle) / len(singles):.0f} %) cost at "
        f"most {IDLE_POINTS} points each when closed"
        + (f": {', '.join(row.blocks for row in idle[:8])}" if idle else "")
        + (", ..." if len(idle) > 8 else "")
        + "."
    )
    for kind, what in (("random", "closed blocks"), ("shuffle", "exchanged pairs of blocks")):
        rows = [row for row in table if row.kind == kind]
        for count in sorted({row.count for row in rows})[::3][:3]:
            drops = [row.drop for row in rows if row.count == count]
            yield (
                f"{count} {what}, drawn {len(drops)} times: {np.mean(drops):.1f} points lower "
                f"(from {min(drops):.1f} to {max(drops):.1f})."
            )


def _check_suffix(path: Path | str) -> None:
    """Raises a UserError unless a file to write ends in .keras."""
    if Path(path).suffix != ".keras":
        raise UserError(
            f"{path} is no name of a network",
            where="--write",
            expected="a name that ends in .keras",
            found=str(path),
            hint=f"--write {Path(path).stem or 'pruned'}.keras",
        )
