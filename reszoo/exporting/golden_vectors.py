"""Golden vectors: raw input and output tensors of the golden image, for any client to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reszoo.atomic_files import write_text
from reszoo.exporting.export_job import ExportJob
from reszoo.exporting.golden_example import tolerance_of
from reszoo.tflite.interpreter import Kernels, TFLiteInterpreter
from reszoo.tflite.model_file import MODEL_FILE

INPUT, OUTPUT, HEADER = "golden_input.npy", "golden_output.npy", "golden.h"
_INTEGER_STEPS = 2
_VALUES_PER_LINE = 16


def write_golden_vectors(job: ExportJob, image: np.ndarray, folder: Path) -> dict[str, Any]:
    """Writes the input and output tensors of the .tflite for an image; returns their entry.

    The image is uint8 `(height, width, channels)`. For microcontrollers the output is that of
    LiteRT's reference kernels, which equals TFLite-Micro's, and both are also written as C arrays.
    """
    is_micro = job.target.memory_plan
    kernels: Kernels = "reference" if is_micro else "fast"
    given, answer = TFLiteInterpreter(folder / MODEL_FILE, kernels=kernels).invoke_raw(image)
    np.save(folder / INPUT, given)
    np.save(folder / OUTPUT, answer)
    entry = {"input": INPUT, "output": OUTPUT, "kernels": kernels} | _tolerance(job, answer)
    if is_micro:
        write_text(folder / HEADER, _as_header(given, answer))
        entry["c"] = HEADER
    return entry


def _tolerance(job: ExportJob, answer: np.ndarray) -> dict[str, Any]:
    if np.issubdtype(answer.dtype, np.integer):
        return {
            "tolerance": _INTEGER_STEPS,
            "words": "Each number of the output may differ by two, and the top class must be the "
            "same; the kernels named here give exactly these numbers.",
        }
    return {
        "tolerance": tolerance_of(job.tflite_arithmetic),
        "words": "Each probability may differ by the tolerance; the top class must be the same.",
    }


def _as_header(given: np.ndarray, answer: np.ndarray) -> str:
    return "\n".join(
        [
            "// Input tensor of the bundle's golden image, and the output tensor for it.",
            "#include <stdint.h>",
            "",
            _as_array("golden_input", given),
            "",
            _as_array("golden_output", answer),
            "",
        ]
    )


def _as_array(name: str, values: np.ndarray) -> str:
    numbers = [str(value) for value in values.ravel().tolist()]
    lines = (
        ", ".join(numbers[start : start + _VALUES_PER_LINE])
        for start in range(0, len(numbers), _VALUES_PER_LINE)
    )
    ctype = "float" if values.dtype == np.float32 else f"{values.dtype.name}_t"
    body = ",\n    ".join(lines)
    return f"static const {ctype} {name}[{len(numbers)}] = {{\n    {body}}};"
