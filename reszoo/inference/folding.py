"""How does a trained network answer fastest on a CPU?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.errors import UserError
from reszoo.inference.trained import Target, TrainedModel, at_size, load_trained
from reszoo.model.folded_graph import frozen
from reszoo.planning.network import plan
from reszoo.planning.ops import OPS
from reszoo.planning.rows import Plan
from reszoo.runs import choose_precision

Computes = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Folded:
    """A trained network as one graph of constants for the CPU, its norms folded in.

    Call it with images `(batch, height, width, channels)`, pixels 0..255, for logits, a float32
    tensor `(batch, classes)`.
    """

    image_format: ImageFormat
    """How an image becomes the network's input."""
    classes: tuple[str, ...]
    computes: Computes
    """What convolutions compute in; normalisation of the input and logits are float32."""
    _call: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, images: Any) -> tf.Tensor:
        """The logits."""
        with tf.device("CPU:0"):
            return self._call(tf.cast(images, tf.float32))


def fold(target: Target, *, computes: Literal["auto"] | Computes = "auto") -> Folded:
    """A trained network for fast inference on this machine's CPU.

        >>> import reszoo
        >>> network = reszoo.fold("runs/resnet50-flowers-1")  # doctest: +SKIP
        >>> network(images)  # doctest: +SKIP

    Normalisation goes into the convolutions, weights become constants, and a convolution with its
    bias, addition and ReLU one oneDNN kernel. In float32 the logits are the network's but for
    rounding; in bfloat16 compare them on your images, as `evaluate(..., fast=True)` does.

    Args:
      target: a run, a `.keras` file or a model that reszoo built. It is not kept.
      computes: `float32`, `bfloat16`, or `auto`: bfloat16 where the processor multiplies it.

    Raises:
      UserError: there is no such network, or it does not say what it is made of.
    """
    trained = load_trained(target)
    chosen: Computes = _fastest() if computes == "auto" else computes
    network = frozen(trained.model, plan_of(trained), chosen)
    image = tf.TensorSpec((None, *trained.image_format.shape), tf.float32)
    with tf.device("CPU:0"):
        traced = tf.function(network, input_signature=[image], autograph=False)
        graph = traced.get_concrete_function()
    return Folded(trained.image_format, trained.class_names, chosen, _caller(graph))


def can_fold(trained: TrainedModel) -> bool:
    """Whether a network says what it is made of, in canonical rows."""
    if trained.spec is not None:
        return True
    rows = getattr(trained.model, "reszoo_plan", None)
    return rows is not None and all(row.op in OPS for row in rows.rows)


def plan_of(trained: TrainedModel) -> Plan:
    """The canonical plan of a trained network at its evaluation size.

    Raises:
      UserError: it does not say.
    """
    if trained.spec is not None:
        return plan(at_size(trained.spec, trained.image_format))
    if not can_fold(trained):
        raise UserError(
            f"the model {trained.model.name!r} does not say what it is made of, so its norms "
            "cannot be folded",
            expected="a run, a .keras file, or a model built without a device",
        )
    rows: Plan = trained.model.reszoo_plan
    return rows


def has_gpu() -> bool:
    """Whether there is a GPU, which is faster than any CPU as the network is."""
    return bool(tf.config.list_physical_devices("GPU"))


def _fastest() -> Computes:
    return "bfloat16" if choose_precision() == "mixed_bfloat16" else "float32"


def _caller(graph: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Calls a concrete function without the two passes of TensorFlow's optimiser that simulate it
    on other devices and in less memory. They change nothing here, and for ResNet-50 take half of
    the time and of the memory until the first answer.
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
