"""Folding of a trained network into one graph of constants, for fast inference on CPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.errors import UserError
from reszoo.inference.trained import Target, TrainedModel, at_size, load_trained
from reszoo.model.empty_batches import allow_empty_batches
from reszoo.model.folded_graph import folded_graph
from reszoo.planning.network import plan
from reszoo.planning.ops import OPS
from reszoo.planning.rows import Plan
from reszoo.runs import choose_precision

Computes = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class FoldedModel:
    """A trained network as a CPU graph of constants, its normalisations folded in.

    Call it with images `(batch, height, width, channels)`, pixels 0..255, to get logits
    `(batch, classes)`, float32.
    """

    image_format: ImageFormat
    """Size, channels and resizing of the images it takes."""
    classes: tuple[str, ...]
    computes: Computes
    """Dtype of the convolutions; input normalisation and logits are float32."""
    _call: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, images: Any) -> tf.Tensor:
        """Returns the logits of images."""
        with tf.device("CPU:0"):
            return self._call(tf.cast(images, tf.float32))


def fold(target: Target, *, computes: Literal["auto"] | Computes = "auto") -> FoldedModel:
    """Folds a trained network for fast inference on this machine's CPU.

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits")  # doctest: +SKIP
        >>> network = reszoo.fold(run)  # doctest: +SKIP
        >>> logits = network(images)  # (batch, 8, 8, 1) to (batch, 10)  # doctest: +SKIP

    Normalisations are folded into the convolutions and weights become constants, so that oneDNN
    computes a convolution, its bias, an addition and a ReLU in one kernel. In float32 the logits
    equal the network's up to rounding; in bfloat16, measure the agreement on your images with
    `evaluate(..., fast=True)`.

    Args:
      target: a run or its folder, a `.keras` file, or a model built by reszoo. No reference to it
        is kept.
      computes: `float32`, `bfloat16` or `auto`, which is bfloat16 on processors that multiply it
        in hardware.

    Raises:
      UserError: the target does not exist, or its layers are not known from a plan.
    """
    trained = load_trained(target)
    if computes == "auto":
        computes = "bfloat16" if choose_precision() == "mixed_bfloat16" else "float32"
    network = allow_empty_batches(folded_graph(trained.model, canonical_plan(trained), computes))
    image = tf.TensorSpec((None, *trained.image_format.shape), tf.float32)
    with tf.device("CPU:0"):
        function = tf.function(network, input_signature=[image], autograph=False)
        graph = function.get_concrete_function()
    return FoldedModel(trained.image_format, trained.class_names, computes, lean_call(graph))


def can_fold(trained: TrainedModel) -> bool:
    """Whether a network's canonical plan is known, and its norms are not folded yet."""
    if trained.is_fake_quantized:
        return False
    if trained.spec is not None:
        return True
    rows = getattr(trained.model, "reszoo_plan", None)
    return rows is not None and all(row.op in OPS for row in rows.rows)


def canonical_plan(trained: TrainedModel) -> Plan:
    """Returns the canonical plan of a trained network at its evaluation size.

    Raises:
      UserError: the plan is not known, or the network is fake-quantized.
    """
    trained.refuse_fake_quantized("folded for fast inference", "leave out --fast (fast=False)")
    if trained.spec is not None:
        return plan(at_size(trained.spec, trained.image_format))
    if not can_fold(trained):
        raise UserError(
            f"the model {trained.model.name!r} has no spec, so its normalisations cannot be folded",
            expected="a run, a .keras file, or a model built without a device",
            hint="leave out --fast (fast=False): the norms are then computed as they were trained",
        )
    rows: Plan = trained.model.reszoo_plan
    return rows


def has_gpu() -> bool:
    """Whether TensorFlow has a GPU, which runs the unfolded network faster than any CPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def lean_call(graph: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Calls a concrete function of constants without two optimizer passes of TensorFlow.

    The layout and memory passes simulate the graph on other devices and in less memory. They change
    nothing here, and for ResNet-50 take half of the time and memory until the first result.
    """
    config = tf.compat.v1.ConfigProto()
    passes = config.graph_options.rewrite_options
    passes.layout_optimizer = passes.OFF
    passes.memory_optimization = passes.NO_MEM_OPT
    settings = config.SerializeToString()

    def call(images: tf.Tensor) -> tf.Tensor:
        (logits,) = tf.raw_ops.PartitionedCall(
            args=[images], Tout=[tf.float32], f=graph, config_proto=settings
        )
        return logits

    return call
