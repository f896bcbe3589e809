"""Signal flow: norms of activations and gradients per block, at initialisation and checkpoints.

A net whose activations or gradients shrink or grow by the same factor in every block cannot be
trained when it is deep, and neither can one whose outputs for different images become alike.
Normalisation, gates, shortcuts and the initialisation decide which of these happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reszoo.data import ImageFormat
from reszoo.data.images.resizing import evaluation_format
from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.exporting.report_progress import report_progress
from reszoo.figures.typed_table import Table
from reszoo.inference.calibration import read_images
from reszoo.inference.trained import at_size, load_trained
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights, finalize_normalization
from reszoo.planning.block_chain import blocks_of
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan
from reszoo.runs import Run
from reszoo.runs.checkpoint_listing import list_checkpoints
from reszoo.spec.architecture import Architecture
from reszoo.spec.loader import load
from reszoo.studies.flow_figures import draw_flow, state_label
from reszoo.studies.signal_norms import measure_signal
from reszoo.studies.studied_network import open_network
from reszoo.studies.study_folder import StudyFolder, StudyResult
from reszoo.training.checkpoint.checkpoint_file import DamagedCheckpoint, read_checkpoint

FLOW_LIMIT = 128
"""Images of one batch: the norms of a batch say enough, and normalisation needs a whole one."""
_PASSES = 100.0
"""A signal passes if first and last block differ by less than this factor."""
START = "initialisation"
_FINAL = "trained"


@dataclass(frozen=True, slots=True)
class BlockFlow:
    """The signal at the output of one block."""

    network: str
    state: str
    """`initialisation`, `step N` of a checkpoint that is kept, or `trained`."""
    block_number: int
    """From 1, through all stages; 0 is the stem."""
    stage: int | None
    block: int | None
    activation: float | None
    """Root mean square of the output. None where it is not finite."""
    gradient: float | None
    """Root mean square of the gradient of the loss with respect to that output, for one image."""
    weight_gradient: float | None
    """Norm of the gradient with respect to the block's weights."""
    similarity: float | None
    """Mean cosine between the outputs for two different images."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A network whose signal is measured, in one or more states."""

    name: str
    spec: Architecture
    seed: int
    run: Run | None


def flow(
    targets: str | Path | Run | Architecture | Sequence[str | Path | Run | Architecture],
    *,
    data: Any = None,
    limit: int = FLOW_LIMIT,
    seed: int = 0,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[BlockFlow]:
    """Measures how activations and gradients pass through the blocks of networks.

        >>> from reszoo import studies
        >>> result = studies.flow(["plain_dense50_mnist", "highway_dense50_mnist"])

    Args:
      targets: specs (their names or files), as initialised; and runs, as initialised from their
        seed, at each checkpoint that is still kept, and as trained. The last checkpoint is left
        out if the trained network has its weights.
      data: the images of specs. Defaults to noise, which suffices at initialisation. Runs use
        images they trained on.
      limit: number of images, which are one batch.
      seed: seed of the initial weights of specs.
      out: folder of the study. Defaults to `RUN/study/flow`, or `studies/flow-NAMES`.
      data_dir: folder of downloaded data sets.

    Raises:
      UserError: a target is neither a spec nor a run, or its data cannot be opened.
    """
    listed = list(targets) if isinstance(targets, (list, tuple)) else [targets]
    subjects = [_subject(target, seed) for target in listed]
    word = data if isinstance(data, str) or data is None else "in memory"
    inputs = {
        "networks": [[s.name, s.run.path if s.run else None, s.seed] for s in subjects],
        "data": word,
        "limit": limit,
    }
    folder = StudyFolder(Path(out) if out else _folder(subjects), "flow", inputs)
    rows: list[BlockFlow] = []
    sources = []
    for number, subject in enumerate(subjects):
        batch, source = _images(subject, data, limit, data_dir)
        sources.append(f"{subject.name}: {source}.")
        states = list(_states(subject))
        for state in report_progress(states, f"signal flow of {subject.name}", "states"):
            measured = folder.step(f"{number} {state}", partial(_measure, subject, state, batch))
            rows += [BlockFlow(subject.name, state, *row) for row in measured]
    table = Table(BlockFlow, tuple(rows))
    blocks = blocks_of(plan(subjects[0].spec))
    return folder.finish(
        title="Signal flow",
        table=table,
        figure=draw_flow(table, [subject.name for subject in subjects], blocks),
        findings=[*_findings(table)],
        measured=[
            "Root mean square of each block's output, and of the gradient of the cross-entropy of "
            "one image with respect to it; normalisation as in training, dropout off.",
            *sources,
        ],
    )


def _subject(target: Any, seed: int) -> _Subject:
    if isinstance(target, Architecture):
        return _Subject(target.name, target, seed, None)
    if isinstance(target, Run) or (Path(target) / "run.json").is_file():
        run = target if isinstance(target, Run) else Run.open(target)
        return _Subject(run.name, run.architecture(), run.seed, run)
    if Path(target).is_dir():
        Run.open(target)  # Says why it is none.
    spec = load(target)
    return _Subject(spec.name, spec, seed, None)


def _images(
    subject: _Subject, data: Any, limit: int, data_dir: Path | str | None
) -> tuple[tuple[np.ndarray, np.ndarray], str]:
    """Returns one batch of images, float32, with labels, and where they are from."""
    if subject.run is not None and subject.run.model_path.is_file():
        network = open_network(subject.run, data=data, limit=limit, data_dir=data_dir)
        pixels, labels = read_images(network.images, network.trained.image_format)
        return (pixels.astype(np.float32), labels), network.source
    image_format = evaluation_format(subject.spec.input)
    if data is None and subject.run is not None:
        data = subject.run.data()["name"]
    if data is None:
        return _noise(image_format, subject.spec.classes, limit), f"{limit} images of noise"
    opened = open_data(data, data_dir=data_dir)
    if len(opened.classes) > subject.spec.classes:
        raise UserError(
            f"{subject.name} has fewer classes than the data {opened.name}",
            expected=f"at most {subject.spec.classes} classes",
            found=str(len(opened.classes)),
            hint="leave out --data: noise suffices for a net that is not trained",
        )
    split = opened.split(opened.only_split or "train").sample(limit)
    pixels, labels = read_images(split, image_format)
    return (pixels.astype(np.float32), labels), f"{len(labels)} images of {opened.name}"


def _noise(image_format: ImageFormat, classes: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, *image_format.shape)).astype(np.float32)
    return pixels, generator.integers(0, classes, count)


def _states(subject: _Subject) -> Iterator[str]:
    """Yields the states of a subject; the last checkpoint only where the model is another one."""
    yield START
    if subject.run is None:
        return
    checkpoints = [path.name for path in list_checkpoints(subject.run.checkpoints)]
    if not subject.run.model_path.is_file():
        yield from checkpoints
        return
    if checkpoints and _are_equal(_model(subject, checkpoints[-1]), _model(subject, _FINAL)):
        checkpoints.pop()
    yield from (*checkpoints, _FINAL)


def _are_equal(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def _measure(subject: _Subject, state: str, batch: tuple[np.ndarray, np.ndarray]) -> list[Any]:
    return measure_signal(_plan(subject), _model(subject, state), *batch)


def _plan(subject: _Subject) -> Plan:
    return plan(at_size(subject.spec, evaluation_format(subject.spec.input)))


def _model(subject: _Subject, state: str) -> keras.Model:
    """Returns the network with the weights of a state."""
    model = build(_plan(subject), seed=subject.seed)
    if state == _FINAL:
        assert subject.run is not None
        copy_weights(load_trained(subject.run).model, model)
    elif state != START:
        assert subject.run is not None
        _read_weights(subject.run.checkpoints / state, model)
    return model


def _read_weights(path: Path, model: keras.Model) -> None:
    """Assigns the variables of a checkpoint to the layers of the same paths."""
    try:
        arrays = read_checkpoint(path).arrays
    except DamagedCheckpoint as error:
        raise UserError(
            f"the checkpoint {path} cannot be read", found=str(error), hint=f"remove {path}"
        ) from error
    by_path = {name.split("/", 2)[2]: array for name, array in arrays.items() if "model/" in name}
    for weight in model.weights:
        if weight.path in by_path and by_path[weight.path].shape == tuple(weight.shape):
            weight.assign(by_path[weight.path])
    finalize_normalization(model)


def _findings(table: Table[BlockFlow]) -> Iterable[str]:
    for name, state in dict.fromkeys((row.network, row.state) for row in table):
        own = [row for row in table if (row.network, row.state) == (name, state)]
        forward = _quotient(own[-1].activation, own[0].activation)
        backward = _quotient(own[0].gradient, own[-1].gradient)
        differences = [None if row.similarity is None else 1 - row.similarity for row in own]
        apart = _quotient(differences[-1], differences[0])
        yield (
            f"{name}, {state_label(state)}: from the stem to block {own[-1].block_number} "
            f"activations change by a factor of {_number(forward)}, and gradients on the way back "
            f"by {_number(backward)}, while the difference between two images (1 - cosine) changes "
            f"by {_number(apart)}: {_verdict(forward, backward, apart)}."
        )


def _quotient(end: float | None, start: float | None) -> float | None:
    return None if end is None or start is None or start == 0 else end / start


def _number(value: float | None) -> str:
    return "infinity" if value is None else f"{value:.2g}"


def _verdict(forward: float | None, backward: float | None, apart: float | None) -> str:
    ways = {
        way: kind
        for way, value in (("activations", forward), ("gradients", backward))
        if (kind := _kind(value)) is not None
    }
    if ways:
        return " and ".join(f"{way} {kind}" for way, kind in ways.items())
    if apart is not None and apart < 1 / _PASSES:
        return "all images become alike"
    return "the signal passes"


def _kind(value: float | None) -> str | None:
    if value is None or value > _PASSES:
        return "explode"
    return "vanish" if value < 1 / _PASSES else None


def _folder(subjects: Sequence[_Subject]) -> Path:
    if len(subjects) == 1 and (run := subjects[0].run) is not None:
        return run.path / "study" / "flow"
    return Path("studies") / "-".join(["flow", *(subject.name for subject in subjects)])[:100]
