"""Pruning by lesions: the network without the blocks whose removal costs least."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reszoo.errors import GateError, UserError
from reszoo.model.net2net.remove_blocks import removable_blocks, remove_blocks
from reszoo.model.saving import save_model
from reszoo.planning.cost import cost
from reszoo.studies.studied_network import StudiedNetwork

Correct = Callable[[frozenset[int], tuple[np.ndarray, np.ndarray]], np.ndarray]
"""Whether each image of a batch is right with some blocks (by index) closed."""


@dataclass(frozen=True, slots=True)
class PrunedNetwork:
    """A network without some of its blocks, saved to a file."""

    path: Path
    blocks: tuple[str, ...]
    accuracy: float
    drop: float
    """Percentage points below the intact network on the images of the study."""
    sentence: str


def prune(
    network: StudiedNetwork,
    costs: Mapping[int, float],
    max_drop: float,
    correct: Correct,
    path: Path | str,
) -> PrunedNetwork:
    """Removes blocks, the cheapest first, while the accuracy falls by at most `max_drop` points.

    Args:
      network: the network of the study.
      costs: percentage points that each block costs when it alone is closed, by index.
      max_drop: percentage points that all removed blocks may cost together.
      correct: measures the network with some blocks closed.
      path: the `.keras` file.

    Raises:
      UserError: every block that can be removed costs more.
      GateError: the smaller network computes something else than the one with closed blocks.
    """
    candidates = sorted(removable(network), key=lambda index: costs[index])
    batches = list(network.batches("reading images"))

    def accuracy(closed: frozenset[int]) -> float:
        return float(np.concatenate([correct(closed, batch) for batch in batches]).mean())

    intact = lowest = accuracy(frozenset())
    closed: frozenset[int] = frozenset()
    for index in candidates:
        if _empties_a_stage(network, closed | {index}):
            continue
        reached = accuracy(closed | {index})
        if round(100 * (intact - reached), 6) > max_drop:
            break
        closed, lowest = closed | {index}, reached
    if not closed:
        least = math.ceil(round(10 * costs[candidates[0]], 6)) / 10
        raise UserError(
            f"all removable blocks of {network.name} cost more than {max_drop:g} points each",
            where="--max-drop",
            expected=f"{least:.1f} points or more",
            found=f"{max_drop:g}",
            hint=f"--max-drop {least:.1f}",
        )
    return _write(network, closed, lowest, 100 * (intact - lowest), path, batches[0], correct)


def removable(network: StudiedNetwork) -> list[int]:
    """Returns the indices of the blocks that can be removed, each without the others.

    Raises:
      UserError: there is none.
    """
    positions = removable_blocks(network.plan)
    indices = [
        index
        for index, block in enumerate(network.blocks)
        if (block.stage, block.block) in positions
        and not _empties_a_stage(network, frozenset({index}))
    ]
    if not indices:
        raise UserError(
            f"no block of {network.name} can be removed",
            where="--write",
            expected="a stage of two blocks or more, with one that passes its input when closed",
            found=f"no such stage in {network.plan.name}",
            hint="leave out --write",
        )
    return indices


def _empties_a_stage(network: StudiedNetwork, closed: frozenset[int]) -> bool:
    all_blocks = Counter(block.stage for block in network.blocks)
    gone = Counter(network.blocks[index].stage for index in closed)
    return any(gone[stage] == count for stage, count in all_blocks.items())


def _write(
    network: StudiedNetwork,
    closed: frozenset[int],
    accuracy: float,
    drop: float,
    path: Path | str,
    batch: tuple[np.ndarray, np.ndarray],
    correct: Correct,
) -> PrunedNetwork:
    spec = network.trained.spec
    assert spec is not None
    names = tuple(network.blocks[index].name for index in sorted(closed))
    positions = [(network.blocks[i].stage or 0, network.blocks[i].block or 0) for i in closed]
    model, smaller = remove_blocks(network.model, spec, positions)
    pixels, labels = batch
    right = np.asarray(model(pixels, training=False)).argmax(axis=1) == labels
    # Rounding may exchange two equal logits of one image, no more.
    if abs(int(right.sum()) - int(correct(closed, batch).sum())) > 1:
        raise GateError(
            "the pruned network computes something else than the one with closed blocks",
            hint="report this network to the authors of reszoo",
        )
    save_model(model, path, spec=smaller, classes=network.trained.classes)
    before, after = cost(spec), cost(smaller)
    sentence = (
        f"{path}: without {', '.join(names)}, {after.parameters:,} of {before.parameters:,} "
        f"parameters, {after.macs:,} of {before.macs:,} multiply-adds, and an accuracy of "
        f"{100 * accuracy:.2f} % on these images ({drop:.2f} points lower)."
    )
    return PrunedNetwork(Path(path), names, accuracy, drop, sentence)
