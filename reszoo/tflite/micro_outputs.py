"""Outputs of a file in TFLite-Micro itself, if its package is installed.

It runs in a process of its own, since the native code may abort on an unsupported file:

    python -m reszoo.tflite.micro_outputs FILE.tflite INPUTS.npy OUTPUTS.npy ARENA_BYTES
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_SECONDS = 600
_LEAST_ARENA = 16 << 20
_FAILURE = "TFLite-Micro refused the file"


@dataclass(frozen=True)
class MicroOutputs:
    """Raw outputs of TFLite-Micro, `(images, classes)`, in the dtype of the file's output."""

    outputs: np.ndarray
    version: str
    """Version of the package `tflite-micro`."""


def is_installed() -> bool:
    """Whether the package `tflite-micro` is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def micro_outputs(content: bytes, inputs: np.ndarray) -> MicroOutputs | str:
    """Returns TFLite-Micro's outputs for the inputs, or the reason why there are none.

    Args:
      content: the bytes of the file.
      inputs: input tensors in the file's dtype, `(images, height, width, channels)`.
    """
    import numpy as np

    if not is_installed():
        return "its package is not installed (pip install tflite-micro)."
    with tempfile.TemporaryDirectory(prefix="tflite-micro-") as folder:
        model, source, result = (Path(folder) / name for name in ("m.tflite", "i.npy", "o.npy"))
        model.write_bytes(content)
        np.save(source, inputs)
        # A generous arena: only outputs are read here, and the arena size is measured elsewhere.
        arena = max(_LEAST_ARENA, 64 * inputs[0].size * inputs.itemsize)
        command = [sys.executable, "-m", __name__, *map(str, (model, source, result, arena))]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return f"it took more than {_SECONDS} seconds."
        except OSError as error:
            return f"{error.strerror or error}."
        if done.returncode or not result.is_file():
            return f"{_FAILURE}: {_last_line(done.stdout + done.stderr)}"
        return MicroOutputs(np.load(result), version("tflite-micro"))


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it stopped without a message."


def _run(model: str, source: str, result: str, arena: str) -> None:
    import numpy as np
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(model, arena_size=int(arena))
    outputs = []
    for image in np.load(source):
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).copy())
    np.save(result, np.concatenate(outputs))


if __name__ == "__main__":
    _run(*sys.argv[1:])
