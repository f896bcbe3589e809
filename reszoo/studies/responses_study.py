"""Responses of layers: how large the output of each 3x3 convolution is (He 2015, Figure 7).

The response of a layer is the standard deviation of its output after normalisation and before the
ReLU or the addition, over images, positions and channels together. Residual nets have smaller
responses than plain nets: each of their blocks changes its input only a little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.inference.trained import Target
from reszoo.planning.block_chain import Segment
from reszoo.planning.rows import Ref, Row
from reszoo.studies.studied_network import LIMIT, StudiedNetwork, Tensors, open_network
from reszoo.studies.study_folder import StudyFolder, StudyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOTICEABLE = 1.1
"""Mean responses within this factor are about the same."""
_ROLES = ("stem", "transform")


@dataclass(frozen=True, slots=True)
class LayerResponse:
    """The response of one layer."""

    network: str
    layer: int
    """Number of the layer among those measured, from 1."""
    row: str
    """Name of the layer that was measured."""
    stage: int | None
    block: int | None
    std: float
    """Standard deviation over images, positions and channels."""


@dataclass(frozen=True, slots=True)
class BlockChange:
    """How a block changes its input."""

    network: str
    block_number: int
    """From 1, through all stages."""
    stage: int
    block: int
    residual_to_shortcut: float | None
    """Norm of what is added divided by the norm of what it is added to; None in a plain block."""
    cosine: float | None
    """Cosine between input and output of the block, mean over images; None if shapes differ."""


def responses(
    runs: Target | Sequence[Target],
    *,
    data: Any = None,
    limit: int = LIMIT,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[LayerResponse]:
    """Measures the responses of the layers of one or more trained networks.

        >>> from reszoo import studies
        >>> result = studies.responses(["runs/plain20", "runs/resnet20"])  # doctest: +SKIP

    The layers measured are the 3x3 convolutions of the stem and of H, or, in a network without
    any, all layers of these; projections, gates and the last layer are not measured.

    Args:
      runs: trained networks: runs, their folders, or `.keras` files.
      data: the data, where they have moved. Defaults to each run's own.
      limit: number of images of the training split.
      out: folder of the study. Defaults to `RUN/study/responses`, or to `studies/responses-...` for
        several networks.
      data_dir: folder of downloaded data sets.

    Returns:
      The responses by layer; `tables["blocks"]` has the changes by block.

    Raises:
      UserError: a target is no trained network, or its data cannot be opened.
    """
    targets = list(runs) if isinstance(runs, (list, tuple)) else [runs]
    networks = [
        open_network(target, data=data, limit=limit, data_dir=data_dir) for target in targets
    ]
    inputs = {"networks": [network.facts() for network in networks]}
    folder = StudyFolder(Path(out) if out else _folder(networks), "responses", inputs)
    layers: list[LayerResponse] = []
    blocks: list[BlockChange] = []
    for index, (network, name) in enumerate(zip(networks, _names(networks), strict=True)):
        measured = folder.step(str(index), partial(_measure, network))
        layers += [LayerResponse(name, *row) for row in measured["layers"]]
        blocks += [BlockChange(name, *row) for row in measured["blocks"]]
    table, changes = Table(LayerResponse, tuple(layers)), Table(BlockChange, tuple(blocks))
    return folder.finish(
        title="Responses of layers",
        table=table,
        figure=_draw(table, changes),
        findings=[*_findings(table, changes)],
        measured=[
            "Standard deviation of each layer's output after normalisation, before the ReLU or the "
            "addition, over images, positions and channels together (He 2015, Figure 7).",
            *(f"{network.name}: {network.source}." for network in networks),
        ],
        tables={"blocks": changes},
    )


def response_layers(network: StudiedNetwork) -> list[tuple[Row, Row]]:
    """Returns the convolutions (dense layers) of stem and H, and the row whose output counts.

    That is the normalisation that reads the convolution, else the convolution itself.
    """
    weighted = [row for row in network.plan.rows if row.tags.role in _ROLES]
    chosen = [row for row in weighted if row.op == "conv" and row.attributes["kernel"] == 3]
    chosen = chosen or [row for row in weighted if row.op in ("conv", "dense")]
    norms = {row.inputs[0]: row for row in network.plan.rows if row.op == "norm"}
    return [(row, norms.get(Ref(row.name), row)) for row in chosen]


def _measure(network: StudiedNetwork) -> dict[str, Any]:
    pairs = response_layers(network)
    layer_refs = [Ref(measured.name) for _, measured in pairs]
    moments: dict[Any, np.ndarray] = {ref: np.zeros(3) for ref in layer_refs}
    sums: dict[Any, np.ndarray] = {block.name: np.zeros(4) for block in network.blocks}
    measures: dict[Any, Callable[[Tensors], Any]] = {}
    for ref in layer_refs:
        measures[ref] = partial(_moments_of, ref)
    for block in network.blocks:
        measures[block.name] = partial(_block_sums, block)
    for values, _, _ in network.measure(measures, f"responses of {network.name}"):
        for key, total in (moments | sums).items():
            total += values[key]
    layers = [
        (number, measured.name, row.tags.stage, row.tags.block, _std(moments[Ref(measured.name)]))
        for number, (row, measured) in enumerate(pairs, start=1)
    ]
    blocks = [
        (number, block.stage, block.block, *_change(sums[block.name]))
        for number, block in enumerate(network.blocks, start=1)
    ]
    return {"layers": layers, "blocks": blocks}


def _moments_of(ref: Ref, tensors: Tensors) -> Any:
    """Returns number, sum and sum of squares of the values of an output."""
    values = tf.cast(tensors[ref], tf.float64)
    count = tf.cast(tf.size(values), tf.float64)
    return tf.stack([count, tf.reduce_sum(values), tf.reduce_sum(values**2)])


def _block_sums(block: Segment, tensors: Tensors) -> Any:
    """Returns, summed over images: residual / shortcut, images with one, cosine, images with it."""
    ratio = ratios = cosine = cosines = tf.constant(0.0, tf.float64)
    if block.addition is not None:
        shortcut, residual = (_flat(tensors[ref]) for ref in block.addition.inputs)
        ratio, ratios = _sum_quotients(tf.norm(residual, axis=1), tf.norm(shortcut, axis=1))
    before, after = _flat(tensors[block.inputs[0]]), _flat(tensors[block.output])
    if before.shape[1:] == after.shape[1:]:
        products = tf.norm(before, axis=1) * tf.norm(after, axis=1)
        cosine, cosines = _sum_quotients(tf.reduce_sum(before * after, axis=1), products)
    return tf.stack([ratio, ratios, cosine, cosines])


def _sum_quotients(above: Any, below: Any) -> tuple[Any, Any]:
    """Returns the sum of the quotients that exist, and their number."""
    exists = tf.cast(below > 0, tf.float64)
    return tf.reduce_sum(tf.math.divide_no_nan(above, below)), tf.reduce_sum(exists)


def _flat(values: Any) -> Any:
    size = int(np.prod(values.shape[1:]))
    return tf.cast(tf.reshape(values, (-1, size)), tf.float64)


def _std(moment: np.ndarray) -> float:
    count, total, squares = moment
    return float(np.sqrt(max(squares / count - (total / count) ** 2, 0.0)))


def _change(sums: np.ndarray) -> tuple[float | None, float | None]:
    ratio, ratios, cosine, cosines = sums
    return (
        float(ratio / ratios) if ratios else None,
        float(cosine / cosines) if cosines else None,
    )


def _draw(table: Table[LayerResponse], changes: Table[BlockChange]) -> Figure:
    names = list(dict.fromkeys(table.column("network")))
    panels = [
        LinePanel("Responses by depth", "layer", "standard deviation", _lines(table, names, False)),
        LinePanel("Responses, sorted", "rank", "standard deviation", _lines(table, names, True)),
        LinePanel(
            "Is H(x) close to 0?",
            "block",
            "residual / shortcut",
            _block_lines(changes, names, "residual_to_shortcut"),
            y_range=(0, None),
        ),
        LinePanel(
            "Is the output close to the input?",
            "block",
            "cosine of input and output",
            _block_lines(changes, names, "cosine"),
            y_range=(None, 1.02),
        ),
    ]
    with_lines = [panel for panel in panels if panel.lines]
    return line_panels(with_lines, columns=2, panel_size=(3.7, 2.6))


def _lines(table: Table[LayerResponse], names: Sequence[str], sort: bool) -> list[Line]:
    lines = []
    for index, name in enumerate(names):
        values = table.where(network=name).column("std")
        y = sorted(values, reverse=True) if sort else values
        lines.append(Line(name, range(1, len(y) + 1), y, index, marker="o"))
    return lines


def _block_lines(changes: Table[BlockChange], names: Sequence[str], column: str) -> list[Line]:
    lines = []
    for index, name in enumerate(names):
        rows = changes.where(network=name)
        y = rows.column(column)
        if any(value is not None for value in y):
            lines.append(Line(name, rows.column("block_number"), y, index, marker="o"))
    return lines


def _findings(table: Table[LayerResponse], changes: Table[BlockChange]) -> Iterable[str]:
    names = list(dict.fromkeys(table.column("network")))
    means = {}
    for name in names:
        own = table.where(network=name)
        means[name] = float(np.mean(own.column("std")))
        yield (
            f"{name}: mean response {means[name]:.2f} over {len(own)} layers "
            f"(from {min(own.column('std')):.2f} to {max(own.column('std')):.2f})."
        )
        ratios = [
            row.residual_to_shortcut
            for row in changes
            if row.network == name and row.residual_to_shortcut is not None
        ]
        if ratios:
            yield (
                f"{name}: what a block adds is {np.mean(ratios):.2f} times as large as its "
                f"shortcut on average, least {min(ratios):.2f}, most {max(ratios):.2f}."
            )
    if len(names) > 1:
        smallest, largest = (pick(means, key=lambda name: means[name]) for pick in (min, max))
        if means[largest] < _NOTICEABLE * means[smallest]:
            yield (
                f"The mean responses differ little, from {means[smallest]:.2f} ({smallest}) to "
                f"{means[largest]:.2f} ({largest})."
            )
            return
        yield (
            f"The smallest mean response is that of {smallest} ({means[smallest]:.2f}), the "
            f"largest that of {largest} ({means[largest]:.2f})."
        )


def _names(networks: Sequence[StudiedNetwork]) -> list[str]:
    """Returns distinct names: the networks', or the runs' where several are of one network."""
    plans = [network.plan.name for network in networks]
    if len(set(plans)) == len(plans):
        return plans
    return [f"{network.plan.name} ({network.name})" for network in networks]


def _folder(networks: Sequence[StudiedNetwork]) -> Path:
    if len(networks) == 1:
        return networks[0].default_folder("responses")
    return Path("studies") / "-".join(["responses", *(network.name for network in networks)])[:100]
