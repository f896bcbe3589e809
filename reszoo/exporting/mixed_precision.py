"""Int8 files in which some layers stay in float32."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.util import modify_model_io_type

from reszoo.errors import UserError, nearest
from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.layer_parity import layer_names
from reszoo.exporting.report_progress import report_progress
from reszoo.exporting.tflite_converter import calibrated_model
from reszoo.spec.target import Target
from reszoo.stderr import quiet
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.model_file import read_model
from reszoo.tflite.operators import float_operators

# A few calibration images suffice: a layer that breaks a file breaks it for nearly every image.
_COST_IMAGES = 16
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}


@dataclass(frozen=True)
class Unit:
    """Layers that the converter fuses with each other, so that all are int8 or all are float."""

    layers: tuple[str, ...]
    """Names in the plan, in network order."""
    tensors: tuple[str, ...]
    """Names of the operators' outputs in the file."""

    @property
    def name(self) -> str:
        """Name of its first layer."""
        return self.layers[0]


@dataclass(frozen=True)
class LayerCost:
    """Error in the outputs if one unit of layers alone is int8."""

    layers: tuple[str, ...]
    moved_probability: float
    """Probability that moves to other classes, the mean over images; 0 to 1."""


class MixedPrecision:
    """A network that is calibrated once and can be quantized any number of times.

    The converter's own quantizer keeps named operators in float, as it does for TensorFlow's
    `QuantizationDebugOptions.denylisted_nodes`.

    Args:
      network: the network to convert.
      target: a target with `quantization: int8`.
      calibration: pixels 0..255, `(images, height, width, channels)`.
      scratch: a folder for temporary files of the size of the weights.
    """

    def __init__(
        self, network: InferenceGraph, target: Target, calibration: np.ndarray, *, scratch: Path
    ) -> None:
        self._target = target
        self._calibration = calibration
        self._calibrated = calibrated_model(network, target, calibration, scratch=scratch)
        # The quantizer takes these names; some operators have other names in an int8 file.
        units = find_units(self._calibrated, network.reference)
        # What reads the image stays int8: a float operator could not take uint8 pixels, which int8
        # represents exactly.
        self._reads_image = units[0] if target.input == "uint8" else None
        self.units = tuple(unit for unit in units if unit is not self._reads_image)
        integer = read_model(self.convert(())).main
        in_float = {
            integer.tensors[operator.outputs[0]].name for operator in float_operators(integer)
        }
        self.without_int8 = tuple(unit for unit in self.units if in_float & set(unit.tensors))
        """Units with an operator that has no int8 version in TFLite."""

    def convert(self, units: Iterable[Unit]) -> bytes:
        """Returns a `.tflite` whose operators are int8, except those of the given units."""
        tensors = [tensor for unit in units for tensor in unit.tensors]
        with quiet():
            content = mlir_quantize(self._calibrated, denylisted_nodes=tensors)
            return bytes(
                modify_model_io_type(
                    content, tf.as_dtype(self._target.input), tf.as_dtype(self._target.output)
                )
            )

    def costs(self) -> tuple[LayerCost, ...]:
        """Measures the cost of each unit, and returns the costs in descending order.

        A file in which only that unit is int8 is compared with the one that is all in float. A
        tensor between two units counts for both, since either one quantizes it.
        """
        step = max(1, len(self._calibration) // _COST_IMAGES)
        images = self._calibration[::step][:_COST_IMAGES]
        expected = TFLiteInterpreter(self.convert(self.units)).probabilities(images)
        costs = []
        for unit in report_progress(self.units, "measuring the cost of int8", "layers"):
            others = [other for other in self.units if other is not unit]
            actual = TFLiteInterpreter(self.convert(others)).probabilities(images)
            # Total variation distance; NaN counts as moved entirely.
            moved = np.nan_to_num(np.abs(actual - expected).sum(-1) / 2, nan=1.0)
            costs.append(LayerCost(unit.layers, float(moved.mean())))
        return tuple(sorted(costs, key=lambda cost: -cost.moved_probability))

    def find(self, names: Sequence[str]) -> tuple[Unit, ...]:
        """Returns the units that hold the named layers.

        Raises:
          UserError: a layer does not exist, or reads the image.
        """
        known = {layer: unit for unit in self.units for layer in unit.layers}
        for name in names:
            if self._reads_image is not None and name in self._reads_image.layers:
                raise UserError(
                    f"the layer {name} cannot stay in float: it reads the image",
                    expected="a later layer, since the input of the file is uint8",
                    found=name,
                    hint="leave it out, since int8 represents every pixel value, or add --set "
                    "input=float32",
                )
            if name not in known:
                raise UserError(
                    f"the .tflite has no layer {name} to keep in float",
                    expected=", ".join(unit.name for unit in self.units),
                    found=name,
                    hint=f"write {', '.join(nearest(name, known)) or 'one of these'}, or "
                    "use --keep-float auto",
                )
        return tuple(unit for unit in self.units if set(names) & set(unit.layers))


def find_units(content: bytes, reference: keras.Model) -> list[Unit]:
    """Returns the fused layers of a `.tflite`, in execution order.

    An operator that belongs to no layer, such as the softmax, joins the unit before it.
    """
    order = {layer.name: position for position, layer in enumerate(reference.layers)}
    graph = read_model(content).main
    outputs = [
        graph.tensors[operator.outputs[0]].name
        for operator in graph.operators
        if operator.name not in _CONVERSIONS
    ]
    units: list[Unit] = []
    for output, names in zip(outputs, layer_names(outputs, order), strict=True):
        last = units[-1] if units else Unit((), ())
        if not names or set(names) & set(last.layers):
            units[-1:] = [_joined(last, names, output)]
        else:
            units.append(Unit(names, (output,)))
    return units


def _joined(unit: Unit, layers: Collection[str], tensor: str) -> Unit:
    more = tuple(layer for layer in layers if layer not in unit.layers)
    return Unit((*unit.layers, *more), (*unit.tensors, tensor))
