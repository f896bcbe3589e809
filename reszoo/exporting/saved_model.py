"""SavedModels of a network, for servers and for the TFLite converter."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.data.images.resizing import resize_image
from reszoo.errors import UserError, first_line
from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.model.empty_batches import allow_empty_batches
from reszoo.model.folded_graph import folded_graph
from reszoo.spec.target import Folded
from reszoo.stderr import quiet

FLOAT_SIGNATURE = "serving_default"
UINT8_SIGNATURE = "serving_uint8"
JPEG_SIGNATURE, JPEG = "classify_jpeg", "jpeg"
"""Name of the signature for encoded JPEGs, and of its input."""
_BATCH = 32


def write_saved_model(network: InferenceGraph, folder: Path, folded: Folded = "none") -> None:
    """Writes a SavedModel for batches of any size, which opens without Keras.

    The signatures `serving_default` (float32) and `serving_uint8` have one input `image`, `(batch,
    height, width, channels)`, pixels 0..255. A network with 1 or 3 channels also has
    `classify_jpeg`, whose input `jpeg`, string `(batch,)`, holds the bytes of JPEG files of any
    size; EXIF is ignored. Every signature has three outputs: `probabilities` and `logits`, float32
    `(batch, classes)`, and `class`, int64 `(batch,)`. `folded` is the dtype of a network of
    constants, with folded normalisations; "none" keeps layers and variables.

    Raises:
      UserError: the network is to be folded, and its plan is not known.
    """
    keeps_layers = folded == "none"
    layers = partial(network.model, training=False)
    call = allow_empty_batches(layers) if keeps_layers else _fold(network, folded)

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = call(tf.cast(image, tf.float32))
        return {
            "probabilities": tf.nn.softmax(logits, name="probabilities"),
            "logits": logits,
            "class": tf.argmax(logits, axis=-1, output_type=tf.int64),
        }

    shape = (None, *network.image_shape)
    signatures = {
        FLOAT_SIGNATURE: _trace(serve, shape, tf.float32),
        UINT8_SIGNATURE: _trace(serve, shape, tf.uint8),
    }
    if takes_jpeg(network.image_format):
        decode = partial(_decode_jpegs, image_format=network.image_format)
        signatures[JPEG_SIGNATURE] = _trace(
            lambda jpeg: serve(decode(jpeg)), (None,), tf.string, JPEG
        )
    _write(network.model.variables if keeps_layers else [], signatures, folder)


def takes_jpeg(image_format: ImageFormat) -> bool:
    """Whether a JPEG, grey or RGB, can become the network's input."""
    return image_format.channels in (1, 3)


def _decode_jpegs(jpeg: tf.Tensor, image_format: ImageFormat) -> tf.Tensor:
    """Returns uint8 `(batch, height, width, channels)`: the pixels that `reszoo predict` uses.

    `decode_jpeg` keeps the channels of the file, so that RGB becomes grey by reszoo's own formula.
    """

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE")
        return resize_image(image, image_format)

    pixels = tf.TensorSpec(image_format.shape, tf.uint8)
    return tf.map_fn(decode, jpeg, fn_output_signature=pixels)


def _fold(network: InferenceGraph, dtype: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Traces a function of its own, so that the signatures share one set of constants."""
    if network.is_fake_quantized:
        raise UserError(
            f"{network.name} was trained with --quantize int8: its rounding cannot be folded",
            expected="a target with `folded: none`",
            found=f"folded: {dtype}",
            hint="export with --target server, or export the run that it was trained from",
        )
    if network.plan is None:
        raise UserError(
            f"the normalisations of {network.name!r} cannot be folded: the model has no spec",
            expected="a run, or a model that reszoo built or saved",
            hint="export with --target server",
        )
    folded = folded_graph(network.model, network.plan, dtype)
    return _trace(allow_empty_batches(folded), (None, *network.image_shape), tf.float32)


def write_static_saved_model(network: InferenceGraph, folder: Path, dtype: str) -> None:
    """Writes the SavedModel that the TFLite converter reads, for a batch of exactly one image.

    The signature fixes the batch size: Keras exports an input of a fixed batch size with a free
    one, and a concrete function of a Keras 3 model converts to a file without weights.
    """

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = network.model(tf.cast(image, tf.float32), training=False)
        return {"probabilities": tf.nn.softmax(logits, name="probabilities")}

    function = _trace(serve, (1, *network.image_shape), tf.as_dtype(dtype))
    _write(network.model.variables, {FLOAT_SIGNATURE: function}, folder)


class LoadedSavedModel:
    """A SavedModel on disk, called through its signature for uint8 or float32."""

    def __init__(self, folder: Path) -> None:
        with quiet(), tf.device("CPU:0"):
            self._loaded = tf.saved_model.load(str(folder))

    @property
    def signatures(self) -> dict[str, dict[str, dict[str, tf.TensorSpec]]]:
        """`inputs` and `outputs` of each signature by its name; both are specs by tensor name."""
        return {
            name: {
                "inputs": function.structured_input_signature[1],
                "outputs": function.structured_outputs,
            }
            for name, function in self._loaded.signatures.items()
        }

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 `(images, classes)` for pixels `(images, height, width, channels)`."""
        name = UINT8_SIGNATURE if images.dtype == np.uint8 else FLOAT_SIGNATURE
        serve = self._loaded.signatures[name]
        with tf.device("CPU:0"):
            batches = [
                serve(image=tf.constant(images[start : start + _BATCH]))["probabilities"].numpy()
                for start in range(0, len(images), _BATCH)
            ]
        return np.concatenate(batches)


def _trace(
    function: Callable[[tf.Tensor], Any],
    shape: tuple[int | None, ...],
    dtype: Any,
    name: str = "image",
) -> Any:
    signature = [tf.TensorSpec(shape, dtype, name=name)]
    return tf.function(function, input_signature=signature, autograph=False)


def _write(variables: Sequence[keras.Variable], signatures: dict[str, Any], folder: Path) -> None:
    # A plain module owns the variables, so that nothing of Keras goes into the file.
    module = tf.Module()
    module.variables_ = [variable.value for variable in variables]
    try:
        with quiet():
            tf.saved_model.save(module, str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        # TensorFlow reports a full or read-only disk with classes of its own.
        number = _errno(error)
        reason = first_line(error) if number == errno.EIO else os.strerror(number)
        raise OSError(number, reason) from error


def _errno(error: tf.errors.OpError) -> int:
    if isinstance(error, tf.errors.ResourceExhaustedError) or "No space left" in error.message:
        return errno.ENOSPC
    if isinstance(error, tf.errors.PermissionDeniedError):
        return errno.EACCES
    return errno.EIO
