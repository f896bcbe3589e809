"""Conversion of a network to a `.tflite` file."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from reszoo.errors import UserError, first_line
from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.saved_model import FLOAT_SIGNATURE, write_static_saved_model
from reszoo.spec.target import Target
from reszoo.stderr import quiet

_BUILTIN = tf.lite.OpsSet.TFLITE_BUILTINS
_OPERATORS = {
    "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "int16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
}
"""Operator sets of integer files; other files use the built-in operators."""
_UNSUPPORTED = re.compile(r"\btf\.(\w+)|'tfl\.(\w+)' op|\bFlex(\w+)")


def convert(
    network: InferenceGraph, target: Target, calibration: np.ndarray | None = None, *, scratch: Path
) -> bytes:
    """Converts a network for a target and returns the content of the `.tflite` file.

    `calibration` is the representative dataset for int8 and int16x8: pixels 0..255, shape
    `(images, height, width, channels)`; a fake-quantized network needs none. `scratch` is a folder
    for temporary files of the size of the weights.

    Raises:
      UserError: TFLite does not support an operation of the network.
    """
    with _converter(network, target, calibration, scratch) as converter:
        return _run(converter)


def calibrated_model(
    network: InferenceGraph, target: Target, calibration: np.ndarray, *, scratch: Path
) -> bytes:
    """Returns the float32 `.tflite` with the range of every tensor, which the quantizer reads.

    The arguments are those of `convert`; the target's quantization is int8.
    """
    with _converter(network, target, calibration, scratch) as converter:
        # As TensorFlow's QuantizationDebugger does.
        converter._experimental_calibrate_only = True
        return _run(converter)


@contextlib.contextmanager
def _converter(
    network: InferenceGraph, target: Target, calibration: np.ndarray | None, scratch: Path
) -> Iterator[tf.lite.TFLiteConverter]:
    # The converter gives an integer file its integer input and output (scale 1, no cast in the
    # graph); a float file with a uint8 input needs a cast.
    dtype = "float32" if target.calibrates else target.input
    with tempfile.TemporaryDirectory(prefix="static-", dir=scratch) as folder:
        write_static_saved_model(network, Path(folder), dtype)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[FLOAT_SIGNATURE]
        )
        operators = _BUILTIN
        if target.calibrates and not network.is_fake_quantized:
            operators = _OPERATORS[target.quantization]
        converter.target_spec.supported_ops = [operators]
        if target.quantization != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if target.quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if target.calibrates:
            # Without a representative dataset the converter refuses the operator set of int8, so
            # the finished file is checked for float operators instead.
            converter.inference_input_type = tf.as_dtype(target.input)
            converter.inference_output_type = tf.as_dtype(target.output)
            if not network.is_fake_quantized:
                _calibrate(converter, target, calibration)
        yield converter


def _calibrate(
    converter: tf.lite.TFLiteConverter, target: Target, images: np.ndarray | None
) -> None:
    """Sets the representative dataset of an integer file."""
    if images is None:
        raise ValueError(f"{target.quantization} needs calibration images")

    def representative_dataset() -> Iterator[dict[str, np.ndarray]]:
        for image in images:
            yield {"image": image[None].astype(np.float32)}

    converter.representative_dataset = representative_dataset


def _run(converter: tf.lite.TFLiteConverter) -> bytes:
    try:
        with quiet():
            return converter.convert()
    except MemoryError:
        raise
    except Exception as error:  # the converter raises Exception subclasses of many kinds
        message = "\n".join([str(error), *getattr(error, "__notes__", [])])
        operations = sorted({next(filter(None, match)) for match in _UNSUPPORTED.findall(message)})
        raise UserError(
            "the network cannot be converted to TFLite",
            found=", ".join(operations) or first_line(error),
            hint="export with --target server, or build the network from layers that TFLite has",
        ) from error
