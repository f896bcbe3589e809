"""Figures of the gates study: units by block, classes, blocks, and maps over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from reszoo.figures.heat_maps import HeatMap, heat_maps
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.inference.calibration import read_images
from reszoo.planning.block_chain import Segment
from reszoo.planning.rows import Ref
from reszoo.studies.studied_network import (
    StudiedNetwork,
    Tensors,
    run_rows,
    tick_blocks,
    without_remapping,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reszoo.studies.gates_study import GateLayer, GateUnit

_MAP_IMAGES = 4
_MAP_BLOCKS = 7


def gate_of(block: Segment, tensors: Tensors) -> Any:
    """Returns the gate of a block, or what takes its place, `(images, ..., units)`.

    Without a gate, channels that the shortcut pads with zeros are left out.
    """
    if block.gate is not None:
        return tensors[Ref(block.gate.name)]
    assert block.addition is not None
    before, after = padded_channels(block)
    x, h = (tf.abs(tensors[ref]) for ref in block.addition.inputs)
    share = tf.math.divide_no_nan(h, x + h)
    return share[..., before : share.shape[-1] - after]


def padded_channels(block: Segment) -> tuple[int, int]:
    """Returns how many channels the shortcut pads with zeros before and after its own."""
    if block.gate is not None or block.addition is None:
        return 0, 0
    shortcut = block.rows_for(block.addition.inputs[0])
    pads = (row.attributes for row in shortcut if row.op == "pad_channels")
    return next(((pad["before"], pad["after"]) for pad in pads), (0, 0))


def _matrix(rows: Sequence[Any]) -> np.ndarray:
    """Returns rows of different lengths as one matrix with NaN where there is no value."""
    matrix = np.full((len(rows), max(map(len, rows))), np.nan)
    for index, row in enumerate(rows):
        matrix[index, : len(row)] = row
    return matrix


def draw_units(units: Table[GateUnit], gated: bool) -> Figure:
    shape = (max(units.column("block_number")), max(units.column("unit")))

    def matrix(column: str) -> np.ndarray:
        values = np.full(shape, np.nan)
        for row in units:
            values[row.block_number - 1, row.unit - 1] = getattr(row, column)
        return values

    word = "Gate" if gated else "Share of H"
    maps = [HeatMap("Gate biases", matrix("bias"), "unit", "block")] if gated else []
    maps += [
        HeatMap(f"{word}, mean over images", matrix("mean"), "unit", "block", limits=(0, 1)),
        HeatMap(f"{word} for one image", matrix("single"), "unit", "block", limits=(0, 1)),
        HeatMap("Block outputs, same image", matrix("output"), "unit", "block"),
    ]
    return heat_maps(maps, map_size=(2.7, 3.4))


def draw_classes(
    network: StudiedNetwork,
    means: Sequence[np.ndarray],
    labels: np.ndarray,
    chosen: Sequence[int],
    word: str,
) -> Figure:
    maps = []
    for index in chosen:
        own = labels == index
        rows = [
            gate[own].mean(axis=0) - gate.mean(axis=0)
            if own.any()
            else np.full(gate.shape[1], np.nan)
            for gate in means
        ]
        title = f"Class {network.classes[index]}: {word}, difference"
        if not own.any():
            title = f"No image of class {network.classes[index]} among {len(labels)}"
        maps.append(HeatMap(title, _matrix(rows), "unit", "block", "diverging"))
    shown = np.abs(np.concatenate([heat_map.values.ravel() for heat_map in maps]))
    most = float(np.max(shown, where=np.isfinite(shown), initial=0.0)) or 1.0
    same = [HeatMap(m.title, m.values, m.x_label, m.y_label, m.kind, (-most, most)) for m in maps]
    return heat_maps(same, map_size=(3.4, 3.4))


def draw_layers(layers: Table[GateLayer], blocks: Sequence[Segment], word: str) -> Figure:
    x = layers.column("block_number")
    stages = len({block.stage for block in blocks})
    ticks = tick_blocks(blocks) if stages > 1 else ()
    mean, variation = layers.column("mean"), layers.column("variation")
    panels = [
        LinePanel(
            f"{word[0].upper()}{word[1:]} by block",
            "block",
            "value",
            [
                Line("mean", x, mean, 0, marker="o"),
                Line("standard deviation over images", x, variation, 1, marker="o"),
            ],
            x_ticks=ticks,
            y_range=(0, None),
        ),
        LinePanel(
            "Difference between classes",
            "block",
            "root mean square",
            [
                Line("classes", x, layers.column("class_difference"), 2, marker="o"),
                Line("shuffled labels", x, layers.column("chance"), 6, 1),
            ],
            x_ticks=ticks,
            y_range=(0, None),
        ),
    ]
    return line_panels(panels, panel_size=(3.7, 2.7))


def draw_maps(network: StudiedNetwork, blocks: Sequence[Segment], word: str) -> Figure:
    """Draws the mean over channels at each position of some images, beside the images."""
    picked = np.linspace(0, len(blocks) - 1, min(_MAP_BLOCKS, len(blocks))).astype(int)
    shown = [blocks[index] for index in dict.fromkeys(picked)]
    pixels, _ = read_images(network.images.sample(_MAP_IMAGES), network.trained.image_format)

    @tf.function(autograph=False, jit_compile=False)
    def compute(images: Any) -> Any:
        start = Ref(network.plan.rows[0].name)
        tensors = run_rows(network.plan.rows, network.layers, {start: images})
        return [tf.reduce_mean(gate_of(block, tensors), axis=-1) for block in shown]

    with without_remapping():
        arrays = [np.asarray(a) for a in compute(tf.constant(pixels.astype(np.float32)))]
    maps = []
    for index, image in enumerate(pixels):
        picture = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
        maps.append(HeatMap("image" if index == 0 else "", picture, kind="image"))
        for block, values in zip(shown, arrays, strict=True):
            limits = (float(values.min()), float(values.max()) + 1e-9)
            title = f"{block.name}\n{limits[0]:.2f} to {limits[1]:.2f}" if index == 0 else ""
            maps.append(HeatMap(title, values[index], limits=limits))
    title = f"{word[0].upper()}{word[1:]} at each position, mean over channels"
    return heat_maps(maps, columns=1 + len(shown), title=title, map_size=(1.3, 1.4), bars=False)
