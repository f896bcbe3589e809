"""TFLite inference with ai-edge-litert, image by image, with access to inner tensors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from reszoo.errors import UserError
from reszoo.stderr import quiet
from reszoo.tflite.model_file import load_model_file

Kernels = Literal["fast", "plain", "reference"]
_RESOLVERS = {
    "fast": OpResolverType.AUTO,
    # Without XNNPACK: inner tensors can be read only where no delegate swallows them.
    "plain": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    # The kernels that microcontrollers compute with.
    "reference": OpResolverType.BUILTIN_REF,
}


class TFLiteInterpreter:
    """An interpreter for an image classifier of batch size 1.

    Args:
      file: path or content of the `.tflite` file.
      kernels: `fast` (XNNPACK), `plain` (no delegate) or `reference`.
      threads: number of threads. Defaults to all cores.
      keep_tensors: whether inner tensors can be read with `tensor` after an invocation.

    Raises:
      UserError: the file is damaged or not a TFLite model, or has no input or no output.
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
        if not isinstance(file, bytes):
            load_model_file(file)  # the runtime crashes on some of the files that this refuses
        self._name = "the .tflite" if isinstance(file, bytes) else str(file)
        try:
            with quiet():
                self._interpreter = Interpreter(
                    **source,
                    num_threads=threads or os.cpu_count() or 1,
                    experimental_op_resolver_type=_RESOLVERS[kernels],
                    experimental_preserve_all_tensors=keep_tensors,
                )
                self._interpreter.allocate_tensors()
            inputs, outputs = (
                self._interpreter.get_input_details(),
                self._interpreter.get_output_details(),
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise self._damaged("open", " ".join(str(error).split())) from error
        if not inputs or not outputs:
            raise self._damaged("run", f"{len(inputs)} inputs and {len(outputs)} outputs")
        self.input: dict[str, Any] = inputs[0]
        self.output: dict[str, Any] = outputs[0]

    def signature(self, name: str) -> tuple[list[str], list[str]] | None:
        """Returns the names of a signature's inputs and outputs; None if there is no such one."""
        found = self._interpreter.get_signature_list().get(name)
        return None if found is None else (list(found["inputs"]), list(found["outputs"]))

    def probabilities(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Classifies images `(height, width, channels)`, pixels 0..255, one at a time.

        Returns float32 probabilities, `(images, classes)`.
        """
        return np.concatenate([self.invoke(image) for image in images])

    def invoke(self, image: np.ndarray) -> np.ndarray:
        """Classifies one image `(height, width, channels)`; returns float32 `(1, classes)`."""
        return dequantize(self.invoke_raw(image)[1], self.output)

    def invoke_raw(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Classifies one image; returns the raw input and output tensors, batch included."""
        given = quantize(image, self.input)[None]
        return given, self.run(given)

    def operators(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields each operator's name and its first output's details, in execution order."""
        tensors = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        for operator in self._interpreter._get_ops_details():
            yield operator["op_name"], tensors[operator["outputs"][0]]

    def first_not_finite(self) -> str | None:
        """Returns the name of the first tensor of the last invocation with NaN or infinity.

        Tensors are taken in execution order, the constants of an operator before its outputs; the
        interpreter must have `keep_tensors`.
        """
        tensors = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        for operator in self._interpreter._get_ops_details():
            for index in (*operator["inputs"], *operator["outputs"]):
                # An optional input is -1.
                if index in tensors and not np.isfinite(self.tensor(tensors[index])).all():
                    return str(tensors[index]["name"])
        return None

    def tensor(self, details: dict[str, Any]) -> np.ndarray:
        """Returns a tensor of the last invocation, dequantized; inner ones need `keep_tensors`."""
        return dequantize(self._interpreter.get_tensor(details["index"]), details)

    def run(self, given: np.ndarray) -> np.ndarray:
        """Returns the raw output tensor for a raw input tensor, batch included.

        Raises:
          ValueError: the input has another shape or dtype.
          UserError: the runtime refuses the file only now.
        """
        self._interpreter.set_tensor(self.input["index"], given)
        try:
            self._interpreter.invoke()
            answer: np.ndarray = self._interpreter.get_tensor(self.output["index"])
        except (ValueError, RuntimeError) as error:
            raise self._damaged("run", " ".join(str(error).split())) from error
        return answer

    def _damaged(self, verb: str, found: str) -> UserError:
        return UserError(
            f"{self._name} does not {verb} as a TFLite file",
            expected="an image classifier that LiteRT runs",
            found=found,
            hint="it may be cut off or damaged: copy it again, or export it again",
        )


def quantize(pixels: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Converts pixels 0..255 to the dtype and quantization of an input tensor."""
    scale, zero_point = details["quantization"]
    if not np.issubdtype(details["dtype"], np.integer):
        return pixels.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    steps = np.round(pixels.astype(np.float32) / (scale or 1.0)) + zero_point
    given: np.ndarray = np.clip(steps, limits.min, limits.max).astype(details["dtype"])
    return given


def dequantize(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Returns a tensor in float32: `(values - zero_point) * scale` where it is quantized."""
    scale, zero_point = details["quantization"]
    numbers = values.astype(np.float32)
    return (numbers - zero_point) * np.float32(scale) if scale else numbers
