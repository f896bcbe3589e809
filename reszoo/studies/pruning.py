"""Pruning by lesions: the network without the blocks it misses least."""

from __future__ import annotations

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
      UserError: no block can be removed, or every one costs more.
      GateError: the smaller network computes something else than the one with closed blocks.
    """
    candidates = _candidates(network, costs)
    batches = list(network.batches("reading images"))

    def accuracy(closed: frozenset[int]) -> float:
        return float(np.concatenate([correct(closed, batch) for batch in batches]).mean())

    intact = lowest = accuracy(frozenset())
    closed: frozenset[int] = frozenset()
    for index in candidates:
        if _empties_a_stage(network, closed | {index}):
            continue
        if 100 * (intact - (reached := accuracy(closed | {index}))) > max_drop:
            break
        closed, lowest = closed | {index}, reached
    if not closed:
        raise UserError(
            f"every block of {network.name} costs more than {max_drop:g} points",
            where="--max-drop",
            expected=f"{min(costs.values()):.1f} points or more",
            found=f"{max_drop:g}",
            hint=f"--max-drop {max(costs.values()):.1f}",
        )
    return _write(network, closed, lowest, 100 * (intact - lowest), path, batches[0], correct)


def _candidates(network: StudiedNetwork, costs: Mapping[int, float]) -> list[int]:
    removable = removable_blocks(network.plan)
    blocks = network.blocks
    indices = [i for i in costs if (blocks[i].stage, blocks[i].block) in removable]
    if not indices:
        raise UserError(
            f"no block of {network.name} can be removed",
            where="--write",
            expected="blocks that pass their input when they are closed",
            found=f"the connections of {network.plan.name}",
            hint="leave out --write",
        )
    return sorted(indices, key=lambda index: costs[index])


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
