"""Lesions: what a trained network loses without some of its blocks (Srivastava 2015, Figure 4).

A block is closed by leaving out what it adds to its shortcut: the gate is forced shut, the residual
branch is dropped. Blocks whose loss hardly matters were hardly used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.counted import counted
from reszoo.errors import ReszooError
from reszoo.exporting.report_progress import report_progress
from reszoo.figures.typed_table import Table
from reszoo.inference.trained import Target
from reszoo.planning.block_chain import Segment
from reszoo.studies.lesion_figures import draw_lesions, pair_figures
from reszoo.studies.lesioned_network import Change, LesionedNetwork, combinations
from reszoo.studies.pruned_file import check_pruned_file
from reszoo.studies.pruning import prune, removable
from reszoo.studies.studied_network import (
    LIMIT,
    StudiedNetwork,
    open_network,
    without_remapping,
)
from reszoo.studies.study_folder import StudyFolder, StudyResult

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
    """Measures the accuracy with one, two or more blocks closed, and with blocks exchanged.

        >>> from reszoo import studies
        >>> result = studies.lesion("runs/resnet20-cifar10-1")  # doctest: +SKIP

    Args:
      run: a trained network: a run, its folder, or a `.keras` file.
      write: saves the network without the blocks whose removal costs least to this `.keras` file.
      max_drop: with `write`, percentage points that the network may lose.
      data: the data, where they have moved. Defaults to the run's own.
      limit: number of images of the training split. Combinations of blocks are measured on fewer.
      seed: seed of the random choices.
      out: folder of the study. Defaults to `RUN/study/lesion`.
      data_dir: folder of downloaded data sets.

    Raises:
      UserError: no block has a shortcut, or none can be removed; `write` names a file that is not
        such a network; or each block costs more than `max_drop`, which is raised when the study
        has finished, without that file.
    """
    network = open_network(run, data=data, limit=limit, data_dir=data_dir)
    closable = [index for index, block in enumerate(network.blocks) if block.addition is not None]
    network.require(bool(closable), "lesion", "shortcuts")
    if write is not None:
        check_pruned_file(Path(write), network.plan.name)
        removable(network)
    inputs = network.facts() | {"seed": seed, "write": write, "max_drop": max_drop}
    folder = StudyFolder(Path(out) if out else network.default_folder("lesion"), "lesion", inputs)
    with without_remapping():
        lesioned = LesionedNetwork(network)
        rows = _single_lesions(lesioned, folder, closable)
        changes = combinations(network.blocks, closable, np.random.default_rng(seed))
        rows += _combination_lesions(lesioned, folder, changes)
        table = Table(Lesion, tuple(rows))
        findings = [*_findings(table, changes, network.name)]
        failure = None
        if write is not None:
            costs = {index: row.drop for index, row in zip(closable, rows[1:], strict=False)}
            try:
                findings.append(prune(network, costs, max_drop, lesioned.correct, write).sentence)
            except ReszooError as error:
                failure = error
                findings.append(f"{write} was not written: {error.what}.")
    result = folder.finish(
        title=f"Lesions of {network.name}",
        table=table,
        figure=draw_lesions(table, network.blocks, closable),
        findings=findings,
        measured=[
            "Accuracy when blocks add nothing to their shortcut (gates forced shut, residual "
            "branches dropped), and when blocks of equal shape in one stage exchange their places.",
            f"{network.source}. Combinations on {rows[-1].images:,} of them.",
        ],
        figures=pair_figures(table, network.blocks, closable),
    )
    if failure is not None:
        raise failure
    return result


def _single_lesions(
    lesioned: LesionedNetwork, folder: StudyFolder, closable: Sequence[int]
) -> list[Lesion]:
    """Closes one block after another; what comes before the block is computed once."""
    network = lesioned.network
    totals = np.zeros(1 + len(closable), int)
    images = 0
    for number, (pixels, labels) in enumerate(network.batches("closing one block at a time")):
        totals += folder.step(
            f"blocks, batch {number}",
            partial(_count_singles, lesioned, closable, pixels, labels),
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
    lesioned: LesionedNetwork, closable: Sequence[int], pixels: np.ndarray, labels: np.ndarray
) -> list[int]:
    order = tuple(range(len(lesioned.network.blocks)))
    counts = []
    x = lesioned.start(pixels)
    for index in order:
        if index in closable:
            logits = lesioned.finish(x, index, Change("block", 1, frozenset({index}), order))
            counts.append(int((logits.argmax(axis=1) == labels).sum()))
        x = lesioned.run_block(index, x)
    intact = int((np.asarray(x).argmax(axis=1) == labels).sum())
    return [intact, *counts]


def _combination_lesions(
    lesioned: LesionedNetwork, folder: StudyFolder, changes: Sequence[Change]
) -> list[Lesion]:
    network = lesioned.network
    macs = max(1, sum(row.macs for row in network.plan.rows)) * len(changes)
    images = min(len(network.images), max(_LEAST_IMAGES, int(_COMBINATION_MACS / macs)))
    batches = [
        (lesioned.start(pixels), labels)
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
        folder.step(f"combination {number}", partial(_accuracy, lesioned, batches, change))
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
    lesioned: LesionedNetwork, batches: Sequence[tuple[Any, np.ndarray]], change: Change
) -> float:
    right = [lesioned.finish(x, 0, change).argmax(axis=1) == labels for x, labels in batches]
    return float(np.concatenate(right).mean())


def _describe(change: Change, blocks: Sequence[Segment]) -> str:
    if change.kind == "shuffle":
        return " ".join(blocks[index].name for index in change.order)
    return " ".join(blocks[index].name for index in sorted(change.closed))


def _findings(table: Table[Lesion], changes: Sequence[Change], name: str) -> Iterable[str]:
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
    complete = {(change.kind, change.count) for change in changes if change.complete}
    for kind, *noun in (
        ("random", "block closed", "blocks closed"),
        ("shuffle", "pair of blocks exchanged", "pairs of blocks exchanged"),
    ):
        rows = [row for row in table if row.kind == kind]
        for count in sorted({row.count for row in rows})[::3][:3]:
            drops = [row.drop for row in rows if row.count == count]
            ways = _ways(len(drops), (kind, count) in complete)
            spread = f" (from {min(drops):.1f} to {max(drops):.1f})" if len(drops) > 1 else ""
            yield (f"{counted(count, *noun)}{ways}: {np.mean(drops):.1f} points lower{spread}.")


def _ways(number: int, complete: bool) -> str:
    if number == 1:
        return ""
    return f", in all {number} ways" if complete else f", drawn {number} times"
