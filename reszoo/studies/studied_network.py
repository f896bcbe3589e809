"""A trained network opened for a study: canonical float32 layers, found by the tags of its plan.

TensorFlow's graph optimizer may fuse a convolution with what follows it, unless something else
reads the convolution's output. Reading a layer would then change the logits by rounding, so studies
switch that rewrite (`remapping`) off: with and without reading, logits are equal bit for bit.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from reszoo.data import ImageData, Split
from reszoo.data.pipeline.batches import batches
from reszoo.data.splits import stratified_holdout
from reszoo.errors import UserError
from reszoo.exporting.report_progress import report_progress
from reszoo.inference.evaluation_data import common_classes, open_images
from reszoo.inference.predict import batch_size_for
from reszoo.inference.trained import Target, TrainedModel, at_size, load_trained
from reszoo.model.build import build_canonical
from reszoo.model.copy_weights import copy_weights
from reszoo.planning.block_chain import Segment, blocks_of, segments
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref, Row
from reszoo.runs import Run

LIMIT = 2000
"""Images of a study, unless told otherwise."""
_LARGEST_BATCH = 250
Tensors = dict[Ref, Any]
Key = TypeVar("Key")


@dataclass(frozen=True)
class StudiedNetwork:
    """A trained network in canonical float32 layers, with images of its training split."""

    trained: TrainedModel
    plan: Plan
    model: keras.Model
    images: Split
    source: str
    """Which images these are, for a reader."""
    classes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the run, or of the network without one."""
        return self.trained.run.name if self.trained.run else self.plan.name

    @cached_property
    def layers(self) -> Mapping[str, keras.Layer]:
        """The Keras layers by the names of their rows."""
        return {layer.name: layer for layer in self.model.layers}

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The network in segments, from the image to the logits."""
        return segments(self.plan)

    @cached_property
    def blocks(self) -> tuple[Segment, ...]:
        """The blocks, from the first to the last."""
        return blocks_of(self.plan)

    @property
    def batch_size(self) -> int:
        """Images that are computed at once."""
        return min(batch_size_for(self.trained.image_format), _LARGEST_BATCH)

    def weight(self, row: Row, name: str) -> np.ndarray:
        """Returns a weight of a row's layer by Keras's name: kernel, bias, gamma, ..."""
        layer = self.layers[row.name]
        return np.asarray(next(w for w in layer.weights if w.name == name))

    def batches(self, title: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields batches of images (float32, 0..255) and labels, and reports the progress."""
        size = self.batch_size
        image_format = self.trained.image_format
        pipeline = iter(batches(self.images, image_format, batch_size=size))
        for _ in report_progress(range(-(-len(self.images) // size)), title, "batches"):
            pixels, labels = next(pipeline)
            yield np.asarray(pixels, np.float32), np.asarray(labels)

    def read(
        self, refs: Collection[Ref], title: str
    ) -> Iterator[tuple[dict[Ref, np.ndarray], np.ndarray, np.ndarray]]:
        """Yields, batch by batch, the outputs of rows, the logits and the labels.

        Args:
          refs: outputs of rows, each `(images, ...)`.
          title: what is measured, for the progress.
        """
        yield from self.measure({ref: operator.itemgetter(ref) for ref in refs}, title)

    def measure(
        self, measures: Mapping[Key, Callable[[Tensors], Any]], title: str
    ) -> Iterator[tuple[dict[Key, np.ndarray], np.ndarray, np.ndarray]]:
        """Yields, batch by batch, what functions of the outputs give, the logits and the labels.

        Args:
          measures: functions of the outputs of all rows; they run inside TensorFlow's graph, so
            that a large feature map need not leave it.
          title: what is measured, for the progress.
        """
        (logits,) = self.plan.outputs

        @tf.function(autograph=False, jit_compile=False, reduce_retracing=True)
        def compute(pixels: Any) -> Any:
            tensors = run_rows(self.plan.rows, self.layers, {_image(self.plan): pixels})
            return [function(tensors) for function in measures.values()], tensors[logits]

        with without_remapping():
            for pixels, labels in self.batches(title):
                outputs, scores = compute(tf.constant(pixels))
                arrays = (np.asarray(output) for output in outputs)
                yield dict(zip(measures, arrays, strict=True)), np.asarray(scores), labels

    def segment_function(self, segment: Segment, *, closed: bool = False) -> Callable[[Any], Any]:
        """Returns the function of one segment, from its input to its output.

        `closed` leaves out H of a block: its addition returns the shortcut alone.
        """
        start = segment.inputs[0] if segment.inputs else _image(self.plan)
        rows = segment.rows
        replaced: dict[Ref, Ref] = {}
        if closed:
            addition = segment.addition
            assert addition is not None
            replaced = {Ref(addition.name): addition.inputs[0]}
            carried = segment.rows_for(addition.inputs[0])
            after = rows[rows.index(addition) + 1 :]
            rows = (*carried, *after)

        shape = (None, *self.plan.row(start.row).shape)

        @tf.function(
            autograph=False,
            jit_compile=False,
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )
        def compute(x: Any) -> Any:
            tensors = run_rows(rows, self.layers, {start: x}, replaced)
            return tensors[replaced.get(segment.output, segment.output)]

        return compute

    def require(self, condition: bool, study: str, lacks: str) -> None:
        """Raises a UserError unless the network fits a study; `lacks` says what is missing."""
        if not condition:
            fitting = ", ".join(fitting_studies(self.plan))
            raise UserError(
                f"{self.name} has no {lacks}, and nothing for the study `{study}` to show",
                expected="a network with highway or residual connections",
                found=f"only plain blocks in {self.plan.name}",
                hint=f"studies that fit it: {fitting}",
            )

    def facts(self) -> dict[str, Any]:
        """Returns what identifies the network and its images, for study.json."""
        run = self.trained.run
        return {
            "network": self.plan.name,
            "run": str(run.path) if run else None,
            "run_seed": run.seed if run else None,
            "run_changed": run.info.get("changed") if run else None,
            "images": self.source,
            "limit": len(self.images),
        }

    def default_folder(self, study: str) -> Path:
        """Returns the folder of a study of this network alone."""
        run = self.trained.run
        return run.path / "study" / study if run else Path("studies") / f"{study}-{self.plan.name}"


def open_network(
    target: Target,
    *,
    data: Any = None,
    limit: int = LIMIT,
    data_dir: Path | str | None = None,
) -> StudiedNetwork:
    """Opens a trained network with up to `limit` images of its training split.

    The images are those the run trained on, evenly spaced, resized as in evaluation and not
    augmented.

    Raises:
      UserError: the target is no trained network of reszoo, has not finished, or its data are
        missing or others.
    """
    trained = load_trained(target)
    if trained.spec is None:
        raise UserError(
            "a study needs the spec of its network",
            expected="a run, or a .keras file that reszoo wrote",
            found="a Keras model without a spec",
            hint="`reszoo build SPEC --weights FILE -o NEW.keras` writes a file with a spec",
        )
    trained.refuse_fake_quantized("studied", "study the run that it was trained from")
    opened = open_images(trained, data, False, data_dir)
    classes = common_classes(trained.model.output_shape[-1], trained.classes, opened)
    opened = opened.with_class_order(classes)
    split, source = _training_images(opened, trained.run)
    rows = plan(at_size(trained.spec, trained.image_format))
    model = build_canonical(rows)
    copy_weights(trained.model, model)
    images = split.sample(limit)
    described = f"{len(images):,} of {len(split):,} images of {source}"
    return StudiedNetwork(trained, rows, model, images, described, classes)


def _training_images(data: ImageData, run: Run | None) -> tuple[Split, str]:
    name = "train" if "train" in data.splits else next(iter(data.splits))
    split = data.split(name)
    validation = run.data().get("validation") if run else None
    if validation and validation.get("fraction"):
        kept, _ = stratified_holdout(split.labels, validation["fraction"], validation["seed"])
        return split.subset(kept), f"{data.name}, {name} (without those held out)"
    return split, f"{data.name}, {name}"


def run_rows(
    rows: Iterable[Row],
    layers: Mapping[str, keras.Layer],
    tensors: Tensors,
    replaced: Mapping[Ref, Ref] | None = None,
    training: Callable[[Row], bool] = lambda row: False,
) -> Tensors:
    """Calls the layers of rows on their inputs and returns all outputs, the given ones included.

    Args:
      rows: rows in the order of the plan.
      layers: the Keras layers by row name.
      tensors: outputs that are there already.
      replaced: outputs in whose place others are read.
      training: whether the layer of a row computes as in training.
    """
    tensors = dict(tensors)
    replaced = replaced or {}
    for row in rows:
        if row.op == "input":
            continue
        inputs = [tensors[replaced.get(ref, ref)] for ref in row.inputs]
        outputs = layers[row.name](
            inputs[0] if len(inputs) == 1 else inputs, training=training(row)
        )
        several = isinstance(outputs, (list, tuple))
        for index, output in enumerate(outputs if several else [outputs]):
            tensors[Ref(row.name, index)] = output
    return tensors


@contextlib.contextmanager
def without_remapping() -> Iterator[None]:
    """Switches off the fusing of layers in TensorFlow's graph optimizer inside the context."""
    before = tf.config.optimizer.get_experimental_options().get("remapping", True)
    tf.config.optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"remapping": before})


def fitting_studies(plan: Plan) -> tuple[str, ...]:
    """Returns the names of the studies of one run that have something to show in a network."""
    has_shortcuts = any(block.addition for block in blocks_of(plan))
    return ("flow", "responses", *(("gates", "lesion") if has_shortcuts else ()))


def tick_blocks(blocks: Sequence[Segment]) -> list[tuple[float, str]]:
    """Returns where stages begin on an axis of blocks (from 1), with the stages' names."""
    firsts = [i for i, block in enumerate(blocks) if i == 0 or block.stage != blocks[i - 1].stage]
    return [(first + 1, f"stage {blocks[first].stage}") for first in firsts]


def _image(plan: Plan) -> Ref:
    return Ref(plan.rows[0].name)
