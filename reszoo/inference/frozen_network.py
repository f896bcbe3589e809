"""A trained network as a graph of constants that other graphs call, on whatever device they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from reszoo.data import ImageFormat
from reszoo.inference.folding import Computes, can_fold, canonical_plan, lean_call
from reszoo.inference.trained import TrainedModel
from reszoo.model.folded_graph import folded_graph


@dataclass(frozen=True, slots=True)
class FrozenNetwork:
    """A trained network in inference mode, with its weights as constants.

    Call it inside a `tf.function` with float32 images `(batch, height, width, channels)`, pixels
    0..255, to get logits `(batch, classes)`, float32.
    """

    image_format: ImageFormat
    """Size, channels and resizing of the images it takes."""
    classes: tuple[str, ...] | None
    """Class names in the order of the logits; None where they are unknown."""
    outputs: int
    """Number of logits."""
    _call: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the logits of images."""
        return tf.ensure_shape(self._call(images), (images.shape[0], self.outputs))


def freeze_network(trained: TrainedModel, computes: Computes) -> FrozenNetwork:
    """Returns a trained network as constants, folded where its plan is known.

    `computes` is the dtype of folded layers; a network that cannot be folded (a fake-quantized one,
    or a model of other makers) computes in its own.

    Raises:
      UserError: the network does not take images of one size.
    """
    image_format = trained.image_format
    if can_fold(trained):
        network = folded_graph(trained.model, canonical_plan(trained), computes)
    else:
        model = trained.evaluation_model()

        def network(images: tf.Tensor) -> tf.Tensor:
            return tf.cast(model(images, training=False), tf.float32)

    function = tf.function(network, autograph=False)
    image = tf.TensorSpec((None, *image_format.shape), tf.float32)
    graph = function.get_concrete_function(image)
    if not can_fold(trained):
        # Variables of one strategy cannot be read under another; constants can.
        graph = convert_variables_to_constants_v2(graph)
    outputs = int(trained.model.output_shape[-1])
    return FrozenNetwork(image_format, trained.classes, outputs, lean_call(graph))
