"""Parity of a full-integer `.tflite` under the kernels of microcontrollers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reszoo.data.dataset import evenly_spaced
from reszoo.exporting.parity import GUESSING, Comparison, compare
from reszoo.exporting.report_progress import report_progress
from reszoo.spec.target import ParityLimits
from reszoo.tflite.interpreter import TFLiteInterpreter, dequantize, quantize
from reszoo.tflite.micro_outputs import MicroOutputs, micro_outputs

# The reference kernels are a hundred times slower than XNNPACK's.
_IMAGES = 200


@dataclass(frozen=True)
class KernelDifference:
    """Difference of the raw outputs of a `.tflite` between other kernels and the reference ones."""

    runtime: str
    """`XNNPACK`, or TFLite-Micro with its version."""
    images: int
    identical: float
    """Fraction of images whose outputs are identical bit for bit."""
    greatest_steps: float
    """Largest difference of an output, in quantization steps."""


@dataclass(frozen=True)
class ReferenceParity:
    """Comparisons of a full-integer `.tflite` with Keras, and of its kernels with each other."""

    comparisons: tuple[Comparison, ...]
    kernels: tuple[KernelDifference, ...]
    notes: tuple[str, ...]


def compare_reference(
    content: bytes,
    images: np.ndarray,
    labels: np.ndarray | None,
    expected: np.ndarray,
    limits: ParityLimits,
) -> ReferenceParity:
    """Compares a `.tflite` with Keras under the reference kernels, and under TFLite-Micro.

    At most 200 images, evenly spaced, are used. TFLite-Micro is compared if its package is
    installed; otherwise a note says so.

    Args:
      content: the bytes of the file.
      images: pixels 0..255, `(images, height, width, channels)`.
      labels: class numbers of the images, `(images,)`, if they are known.
      expected: Keras's log-probabilities, `(images, classes)`.
      limits: limits of the target's gate.
    """
    rows = evenly_spaced(len(images), _IMAGES)
    images, expected = images[rows], expected[rows]
    labels = None if labels is None else labels[rows]
    reference = TFLiteInterpreter(content, kernels="reference", threads=1)
    fast = TFLiteInterpreter(content, threads=1)
    inputs = np.stack([quantize(image, reference.input) for image in images])
    answers = _raw_outputs(reference, images)
    scale, _ = reference.output["quantization"]

    def against_reference(runtime: str, outputs: np.ndarray) -> KernelDifference:
        return _difference(runtime, outputs, answers, quantized=bool(scale))

    def against_keras(file: str, outputs: np.ndarray) -> Comparison:
        probabilities = dequantize(outputs, reference.output)
        comparison = compare(file, expected, probabilities, labels, limits, "int8")
        # That Keras does not just guess is checked on all images, which is more reliable.
        checks = tuple(check for check in comparison.checks if check.name != GUESSING)
        return replace(comparison, checks=checks)

    comparisons = [against_keras("tflite_reference", answers)]
    differences = [against_reference("XNNPACK", _raw_outputs(fast, images))]
    micro = micro_outputs(content, inputs)
    if isinstance(micro, MicroOutputs):
        comparisons.append(against_keras("tflite_micro", micro.outputs))
        differences.append(against_reference(f"TFLite-Micro {micro.version}", micro.outputs))
    notes = () if isinstance(micro, MicroOutputs) else (f"Not compared with TFLite-Micro: {micro}",)
    return ReferenceParity(tuple(comparisons), tuple(differences), notes)


def _raw_outputs(interpreter: TFLiteInterpreter, images: np.ndarray) -> np.ndarray:
    progress = report_progress(images, "comparing the reference kernels")
    return np.concatenate([interpreter.invoke_raw(image)[1] for image in progress])


def _difference(
    runtime: str, outputs: np.ndarray, reference: np.ndarray, *, quantized: bool
) -> KernelDifference:
    difference = np.abs(outputs.astype(np.float64) - reference.astype(np.float64))
    # A float output is dequantized from an integer one with 256 steps.
    steps = difference.max() * (1 if quantized else 256)
    return KernelDifference(
        runtime=runtime,
        images=len(outputs),
        identical=float((difference == 0).all(axis=-1).mean()),
        greatest_steps=float(steps),
    )
