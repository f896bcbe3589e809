"""What does a .tflite say to a stack of images, with these kernels, and what goes on inside it?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from reszoo.errors import UserError
from reszoo.stderr import quiet

Kernels = Literal["fast", "plain", "reference"]
_RESOLVERS = {
    "fast": OpResolverType.AUTO,
    # Without XNNPACK: inner tensors can be read only where no delegate swallows them.
    "plain": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    # The kernels that microcontrollers compute with.
    "reference": OpResolverType.BUILTIN_REF,
}


class TFLiteInterpreter:
    """A .tflite ready to classify images of its own size, one at a time.

    Args:
      file: the path, or the file's bytes.
      kernels: `fast` (XNNPACK), `plain` (no delegate) or `reference`.
      threads: threads for one image; all cores unless given.
      keep_tensors: whether `tensors` can be read after a run.
    """

    def __init__(
        self,
        file: Path | str | bytes,
        *,
        kernels: Kernels = "fast",
        threads: int | None = None,
        keep_tensors: bool = False,
    ) -> None:
        source = {"model_content": file} if isinstance(file, bytes) else {"model_path": str(file)}
        try:
            with quiet():
                self._interpreter = Interpreter(
                    **source,
                    num_threads=threads or os.cpu_count() or 1,
                    experimental_op_resolver_type=_RESOLVERS[kernels],
                    experimental_preserve_all_tensors=keep_tensors,
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            name = "the .tflite" if isinstance(file, bytes) else str(file)
            raise UserError(f"{name} does not open as a TFLite file", found=str(error)) from error
        self.input: dict[str, Any] = self._interpreter.get_input_details()[0]
        self.output: dict[str, Any] = self._interpreter.get_output_details()[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images it takes."""
        height, width, channels = (int(side) for side in self.input["shape"][1:])
        return height, width, channels

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, classes) for images (n, height, width, channels) of pixels 0..255."""
        return np.concatenate([self.one(image) for image in images])

    def one(self, image: np.ndarray) -> np.ndarray:
        """float32 (1, classes) for one image (height, width, channels) of pixels 0..255."""
        self._interpreter.set_tensor(self.input["index"], to_input(image, self.input)[None])
        self._interpreter.invoke()
        return real_numbers(self._interpreter.get_tensor(self.output["index"]), self.output)

    def operators(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each operator's name and the details of its first output, in the order they run."""
        tensors = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        for operator in self._interpreter._get_ops_details():
            yield operator["op_name"], tensors[operator["outputs"][0]]

    def tensor(self, details: dict[str, Any]) -> np.ndarray:
        """A tensor's real numbers after the last run; needs `keep_tensors`."""
        return real_numbers(self._interpreter.get_tensor(details["index"]), details)


def to_input(pixels: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Pixels 0..255 as an interpreter's input takes them: themselves, unless it has a scale."""
    scale, zero_point = details["quantization"]
    if not np.issubdtype(details["dtype"], np.integer):
        return pixels.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    steps = np.round(pixels.astype(np.float32) / (scale or 1.0)) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def real_numbers(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """float32 numbers of a tensor: (values - zero_point) * scale where it has a scale."""
    scale, zero_point = details["quantization"]
    numbers = values.astype(np.float32)
    return (numbers - zero_point) * np.float32(scale) if scale else numbers
