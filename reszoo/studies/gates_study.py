"""Gates: what they learned and for what they open, as in Srivastava 2015, Figures 2 and 3.

A residual net has no gates. There, the share of H takes the gate's place: |H| / (|x| + |H|), the
size of what a block adds, which is 0 for a block that does nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from reszoo.counted import counted, first_few
from reszoo.errors import UserError, did_you_mean
from reszoo.figures.typed_table import Table
from reszoo.inference.trained import Target
from reszoo.planning.block_chain import Segment
from reszoo.studies.gates_figures import (
    draw_classes,
    draw_layers,
    draw_maps,
    draw_units,
    gate_of,
    padded_channels,
)
from reszoo.studies.studied_network import (
    LIMIT,
    StudiedNetwork,
    Tensors,
    open_network,
)
from reszoo.studies.study_folder import StudyFolder, StudyResult

_PERMUTATIONS = 20
_NOTICEABLE = 0.1
"""Of the largest difference between classes: less is as good as none."""
_CLOSED = 0.1


@dataclass(frozen=True, slots=True)
class GateUnit:
    """The gate of one unit (channel) of one block."""

    block_number: int
    """From 1, through the blocks with a gate (with a shortcut)."""
    stage: int
    block: int
    unit: int
    bias: float | None
    """The learned bias of the gate; None in a residual net."""
    mean: float
    """Mean of the gate over images and positions."""
    single: float
    """The gate for a single image, mean over positions."""
    output: float
    """Output of the block for that image, mean over positions."""


@dataclass(frozen=True, slots=True)
class GateLayer:
    """The gates of one block."""

    block_number: int
    stage: int
    block: int
    bias: float | None
    mean: float
    variation: float
    """Standard deviation over images of a unit's gate, mean over units."""
    class_difference: float
    """Root mean square over classes and units of (mean over a class) - (mean over all)."""
    chance: float
    """The same for randomly shuffled labels."""


def gates(
    run: Target,
    *,
    classes: Sequence[str] | None = None,
    data: Any = None,
    limit: int = LIMIT,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[GateUnit]:
    """Measures the gates of a trained network by unit and block, and how they differ by class.

        >>> from reszoo import studies
        >>> result = studies.gates("runs/highway8_digits-digits-1")  # doctest: +SKIP

    Args:
      run: a trained network: a run, its folder, or a `.keras` file.
      classes: names of the classes that are compared with all images. Defaults to the first and
        the eighth (the last of fewer), as in the paper.
      data: the data, where they have moved. Defaults to the run's own.
      limit: number of images of the training split.
      out: folder of the study. Defaults to `RUN/study/gates`.
      data_dir: folder of downloaded data sets.

    Returns:
      The gates by unit; `tables["layers"]` has them by block.

    Raises:
      UserError: the network has neither gates nor shortcuts, or a class does not exist or has no
        images.
    """
    network = open_network(run, data=data, limit=limit, data_dir=data_dir)
    blocks = [block for block in network.blocks if block.addition is not None]
    network.require(bool(blocks), "gates", "gates and no shortcuts")
    if any(block.gate for block in blocks):
        blocks = [block for block in blocks if block.gate]
    chosen = _chosen(network, classes)
    gated = blocks[0].gate is not None
    inputs = network.facts() | {"classes": [network.classes[index] for index in chosen]}
    folder = StudyFolder(Path(out) if out else network.default_folder("gates"), "gates", inputs)
    means, outputs, labels = _unit_means(network, blocks)
    units = _unit_table(network, blocks, means, outputs)
    layers = _layer_table(blocks, units, means, labels, len(network.classes))
    word = "gate" if gated else "share of H"
    figures = {
        "classes": draw_classes(network, means, labels, chosen, word),
        "layers": draw_layers(layers, blocks, word),
    }
    if len(network.plan.row(blocks[0].output.row).shape) == 3:
        figures["maps"] = draw_maps(network, blocks, word)
    return folder.finish(
        title=f"Gates of {network.name}" if gated else f"Share of H in {network.name}",
        table=units,
        figure=draw_units(units, gated),
        findings=[*_findings(units, layers, gated)],
        measured=[
            "The transform gate T(x) of every unit, mean over positions (Srivastava 2015, "
            "Figures 2 and 3)."
            if gated
            else "A net without gates: instead of T(x), the share |H| / (|x| + |H|) of what a "
            "block adds, mean over positions. Channels without x, which a shortcut pads with "
            "zeros, are left out.",
            f"{network.source}; the single image is the first of them.",
            "Class differences are compared with those of randomly shuffled labels "
            f"({_PERMUTATIONS} times).",
        ],
        tables={"layers": layers},
        figures=figures,
    )


def _chosen(network: StudiedNetwork, classes: Sequence[str] | None) -> list[int]:
    names = network.classes
    if classes is None:
        return sorted({0, min(7, len(names) - 1)})
    for name in classes:
        if name not in names:
            shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise UserError(
                f"{network.name} has no class '{name}'",
                where="--classes",
                expected=f"one of {shown}",
                found=f"'{name}'",
                hint=did_you_mean(name, names) or f"write {names[0]}",
            )
    chosen = [names.index(name) for name in dict.fromkeys(classes)]
    present = set(network.images.labels)
    for index in chosen:
        if index not in present:
            raise UserError(
                f"none of the {counted(len(network.images), 'image')} is of class '{names[index]}'",
                where="--classes",
                expected=f"one of {first_few([names[label] for label in sorted(present)], 10)}",
                found=f"'{names[index]}'",
                hint="raise --limit, or leave out the class",
            )
    return chosen


def _mean_of(function: Callable[[Tensors], Any], tensors: Tensors) -> Any:
    """Returns the mean over positions, `(images, units)`."""
    values = function(tensors)
    return tf.reduce_mean(values, axis=range(1, len(values.shape) - 1))


def _unit_means(
    network: StudiedNetwork, blocks: Sequence[Segment]
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Returns gates and outputs by block, each `(images, units)`, and the labels.

    A unit without a gate is NaN.
    """
    measures = {}
    for number, block in enumerate(blocks):
        output = block.output
        measures[number, "gate"] = partial(_mean_of, partial(gate_of, block))
        measures[number, "output"] = partial(_mean_of, operator.itemgetter(output))
    parts: dict[Any, list[np.ndarray]] = {key: [] for key in measures}
    labels = []
    for values, _, batch_labels in network.measure(measures, f"gates of {network.name}"):
        labels.append(batch_labels)
        for key, value in values.items():
            parts[key].append(value)
    whole = {key: np.concatenate(arrays) for key, arrays in parts.items()}
    numbers = range(len(blocks))
    return (
        [_widened(whole[number, "gate"], blocks[number]) for number in numbers],
        [whole[number, "output"] for number in numbers],
        np.concatenate(labels),
    )


def _widened(gate: np.ndarray, block: Segment) -> np.ndarray:
    return np.pad(gate, ((0, 0), padded_channels(block)), constant_values=np.nan)


def _unit_table(
    network: StudiedNetwork,
    blocks: Sequence[Segment],
    means: Sequence[np.ndarray],
    outputs: Sequence[np.ndarray],
) -> Table[GateUnit]:
    rows = []
    for number, (block, gate, output) in enumerate(zip(blocks, means, outputs, strict=True), 1):
        biases = _biases(network, block)
        before, after = padded_channels(block)
        rows += [
            GateUnit(
                number,
                block.stage or 0,
                block.block or 0,
                unit + 1,
                None if biases is None else float(biases[unit]),
                float(gate[:, unit].mean(dtype=np.float64)),
                float(gate[0, unit]),
                float(output[0, unit]),
            )
            for unit in range(before, gate.shape[1] - after)
        ]
    return Table(GateUnit, tuple(rows))


def _biases(network: StudiedNetwork, block: Segment) -> np.ndarray | None:
    if block.gate is None:
        return None
    weighted = next(row for row in block.rows if row.name == block.gate.inputs[0].row)
    return network.weight(weighted, "bias")


def _layer_table(
    blocks: Sequence[Segment],
    units: Table[GateUnit],
    means: Sequence[np.ndarray],
    labels: np.ndarray,
    classes: int,
) -> Table[GateLayer]:
    generator = np.random.default_rng(0)
    shuffled = [generator.permutation(labels) for _ in range(_PERMUTATIONS)]
    rows = []
    for number, (block, gate) in enumerate(zip(blocks, means, strict=True), start=1):
        own = [unit for unit in units if unit.block_number == number]
        biases = [unit.bias for unit in own if unit.bias is not None]
        rows.append(
            GateLayer(
                number,
                block.stage or 0,
                block.block or 0,
                float(np.mean(biases)) if biases else None,
                float(np.mean([unit.mean for unit in own])),
                float(np.nanmean(gate.std(axis=0))),
                _class_difference(gate, labels, classes),
                float(np.mean([_class_difference(gate, order, classes) for order in shuffled])),
            )
        )
    return Table(GateLayer, tuple(rows))


def _class_difference(gate: np.ndarray, labels: np.ndarray, classes: int) -> float:
    counts = np.bincount(labels, minlength=classes)
    sums = np.zeros((classes, gate.shape[1]))
    np.add.at(sums, labels, gate)
    present = counts > 0
    differences = sums[present] / counts[present, None] - gate.mean(axis=0, dtype=np.float64)
    return float(np.sqrt(np.nanmean(differences**2)))


def _findings(units: Table[GateUnit], layers: Table[GateLayer], gated: bool) -> Iterable[str]:
    word = "gate" if gated else "share of H"
    numbers = ", ".join(f"{mean:.2f}" for mean in layers.column("mean")[:20])
    more = ", ..." if len(layers) > 20 else ""
    yield f"Mean {word} by block: {numbers}{more}."
    if gated:
        closed = np.mean(np.asarray(units.column("mean")) < _CLOSED)
        single = np.mean(np.asarray(units.column("single")) < _CLOSED)
        yield (
            f"{100 * closed:.0f} % of the gates have a mean below {_CLOSED}, and "
            f"{100 * single:.0f} % are below it for the single image."
        )
    differences = np.asarray(layers.column("class_difference"))
    chance = np.asarray(layers.column("chance"))
    differ = (differences > _NOTICEABLE * differences.max()) & (differences > 2 * chance)
    last = int(np.flatnonzero(differ)[-1]) + 1 if differ.any() else 0
    most = int(differences.argmax()) + 1
    if last:
        yield (
            f"The {word} differs between classes in blocks as late as {last} of {len(layers)}, "
            f"most in block {most} ({differences.max():.3f}; {chance[most - 1]:.3f} with shuffled "
            "labels)."
        )
    else:
        yield f"The {word} does not differ between classes more than by chance."
