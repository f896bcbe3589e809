"""ONNX files, written by tf2onnx and run by ONNX Runtime or ONNX's reference evaluator."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reszoo.errors import UserError, first_line
from reszoo.stderr import quiet
from reszoo.system_info import version_of

if TYPE_CHECKING:
    from reszoo.exporting.inference_graph import InferenceGraph

ONNX = "model.onnx"
OPSET = 18
INPUT, OUTPUT = "image", "probabilities"
_BATCH = 32
_REFERENCE_IMAGES = 8
"""Images for ONNX's reference evaluator, which takes about a second for one of 224 x 224 pixels."""
_PACKAGES = ("tf2onnx", "onnx")


def require_converter() -> None:
    """Raises a `UserError` if a package for writing ONNX files is missing."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise UserError(
            "a target that writes onnx needs packages that are not installed",
            expected=" and ".join(_PACKAGES),
            found=f"no {' and no '.join(missing)}",
            hint="pip install 'reszoo[onnx]'",
        )


def write_onnx(network: InferenceGraph, path: Path) -> None:
    """Writes the float32 network with folded normalisations as an ONNX file of opset 18.

    It has one input `image`, float32 `(batch, height, width, channels)`, pixels 0..255, and one
    output `probabilities`, float32 `(batch, classes)`, for batches of any size. A model without a
    plan is converted as it is.

    Raises:
      UserError: an operation of the network does not exist in ONNX.
    """
    import onnx

    model = _convert(network)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise _not_convertible(first_line(error)) from error
    onnx.save(model, str(path))


def _convert(network: InferenceGraph) -> Any:
    import tensorflow as tf
    import tf2onnx

    logits = _logits(network)

    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: tf.nn.softmax(logits(image))}

    signature = [tf.TensorSpec((None, *network.image_shape), tf.float32, name=INPUT)]
    function = tf.function(classify, input_signature=signature, autograph=False)
    try:
        with quiet(), tf.device("CPU:0"):
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=signature, opset=OPSET
            )
    except MemoryError:
        raise
    except Exception as error:  # tf2onnx raises Exception subclasses of many kinds
        raise _not_convertible(first_line(error)) from error
    return model


def _logits(network: InferenceGraph) -> Callable[[Any], Any]:
    from reszoo.model.folded_graph import folded_graph

    if network.plan is None:
        return lambda image: network.model(image, training=False)
    return folded_graph(network.model, network.plan, "float32")


def _not_convertible(found: str) -> UserError:
    return UserError(
        "the network cannot be converted to ONNX",
        found=found,
        hint="export with --target server, or build the network from layers that ONNX has",
    )


class OnnxModel:
    """An ONNX file that `write_onnx` wrote, run on the CPU.

    It runs in ONNX Runtime if that is installed, otherwise in the slow reference evaluator of the
    package `onnx`. `inputs` and `outputs` are shapes by name, with -1 for a dynamic dimension.

    Args:
      path: the file.
      threads: number of threads of ONNX Runtime. Defaults to all cores.

    Raises:
      UserError: neither package is installed, or the file is damaged.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        runtime = onnx_runtime()
        if runtime is None:
            raise UserError(
                f"no installed package can run {path}",
                expected="onnxruntime, or onnx",
                found="neither",
                hint="pip install onnxruntime",
            )
        self.runtime = runtime
        """Name and version of the package that runs the file."""
        self.is_reference = not self.runtime.startswith("onnxruntime")
        try:
            opened = _open_reference(path) if self.is_reference else _open(path, threads)
            self._run, self.inputs, self.outputs = opened
        except Exception as error:  # both raise Exception subclasses of many kinds
            raise UserError(
                f"{path} does not open as an ONNX file",
                found=first_line(error),
                hint="it may be cut off or damaged: copy it again, or export it again",
            ) from error

    @property
    def most_images(self) -> int | None:
        """Number of images to classify at most, to keep the time reasonable; None for no limit."""
        return _REFERENCE_IMAGES if self.is_reference else None

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 `(images, classes)` for pixels `(images, height, width, channels)`."""
        batches = [
            self._run(images[start : start + _BATCH].astype(np.float32))
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(batches)


def onnx_runtime() -> str | None:
    """Returns name and version of the package that runs ONNX files; None if there is none."""
    if version := version_of("onnxruntime"):
        return f"onnxruntime {version}"
    return f"onnx.reference {version}" if (version := version_of("onnx")) else None


_Run = Callable[[np.ndarray], np.ndarray]
_Shapes = dict[str, list[int]]
"""Shapes by name of an input or output; -1 is a dynamic dimension."""


def _open(path: Path, threads: int | None) -> tuple[_Run, _Shapes, _Shapes]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, outputs = (
        {end.name: [side if isinstance(side, int) else -1 for side in end.shape] for end in ends}
        for ends in (session.get_inputs(), session.get_outputs())
    )
    return lambda images: session.run([OUTPUT], {INPUT: images})[0], inputs, outputs


def _open_reference(path: Path) -> tuple[_Run, _Shapes, _Shapes]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(str(path))
    evaluator = ReferenceEvaluator(model)
    inputs, outputs = (
        {
            end.name: [
                side.dim_value if side.HasField("dim_value") else -1
                for side in end.type.tensor_type.shape.dim
            ]
            for end in ends
        }
        for ends in (model.graph.input, model.graph.output)
    )
    return lambda images: evaluator.run([OUTPUT], {INPUT: images})[0], inputs, outputs
