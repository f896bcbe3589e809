"""What must a program know to use a bundle without reszoo? The text of contract.json.

| key | holds |
|---|---|
| format, format_version | `reszoo contract`, 1 |
| name, title, target | the network, and the whole target it was exported for |
| gate | `passed`, `failed` (written with the gate off) or `not checked` |
| classes | count, file with one name per line, names |
| preprocessing | from any picture to the network's input: sizes, numbers and words |
| files.saved_model | path, bytes, arithmetic, signatures with their inputs and outputs |
| files.tflite | path, bytes, inputs and outputs with scales, zero points and formulas, operators |
| example | a golden image beside the contract and what each file answers to it |
| made_with | versions |
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.parity import Arithmetic
from reszoo.exporting.saved_model import FLOAT_SIGNATURE, UINT8_SIGNATURE
from reszoo.exporting.tflite_checks import Contents
from reszoo.inference.tflite_interpreter import TFLiteInterpreter
from reszoo.spec import to_mapping
from reszoo.spec.target import Target
from reszoo.version import VERSION

FORMAT = "reszoo contract"
FORMAT_VERSION = 1
SAVED_MODEL, TFLITE, LABELS, GOLDEN = "saved_model", "model.tflite", "labels.txt", "golden.png"


def contract(
    network: InferenceGraph,
    target: Target,
    *,
    gate: str,
    files: dict[str, Any],
    example: dict[str, Any],
) -> dict[str, Any]:
    """The contract as plain values.

    Args:
      network: what was exported.
      target: what it was exported for.
      gate: `passed`, `failed` or `not checked`.
      files: `saved_model_part` and `tflite_part` by name.
      example: the worked example.
    """
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": network.name,
        "title": network.title,
        "gate": gate,
        "classes": {
            "count": len(network.classes),
            "file": LABELS,
            "names": list(network.classes),
        },
        "preprocessing": preprocessing(network),
        "files": files,
        "example": example,
        "target": to_mapping(target),
        "made_with": {
            "reszoo": VERSION,
            **{name: version(name) for name in ("tensorflow", "keras", "ai-edge-litert")},
        },
    }


def preprocessing(network: InferenceGraph) -> dict[str, Any]:
    """How any picture becomes the network's input, in numbers and in words."""
    image_format = network.image_format
    height, width, channels = network.image_shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    resized = (round(height / image_format.crop), round(width / image_format.crop))
    steps = [
        "Decode to 8 bits per channel, apply the EXIF rotation, lay transparency on white. "
        "Decode JPEG with libjpeg's accurate integer DCT (Pillow's, or tf.io.decode_jpeg with "
        "dct_method INTEGER_ACCURATE): the fast one costs half a point of accuracy.",
        f"Bring it to {colour}"
        + (" by (19595 R + 38470 G + 7471 B + 32768) >> 16." if channels == 1 else "."),
        f"Resize with {image_format.interpolation} interpolation"
        + (
            ", filtered where it shrinks (antialias),"
            if image_format.antialias
            else " without filter,"
        )
        + f" so that it just covers {resized[0]} x {resized[1]} (height x width) and keeps its "
        f"aspect ratio. A picture that is {height} x {width} already "
        + ("is not touched." if image_format.crop == 1 else "is resized too."),
        f"Cut {height} x {width} out of the centre and round to whole numbers 0..255.",
        "Do not subtract a mean or divide: normalisation is the first layer of the network.",
    ]
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "colour": colour,
        "layout": "height, width, channels",
        "crop": image_format.crop,
        "resize_to_cover": list(resized),
        "interpolation": image_format.interpolation,
        "antialias": image_format.antialias,
        "pixels": "0..255",
        "steps": steps,
    }


def saved_model_part(network: InferenceGraph, size: int, arithmetic: Arithmetic) -> dict[str, Any]:
    """What stands in the contract about the SavedModel of `size` bytes."""
    classes = len(network.classes)
    outputs = {
        "probabilities": {"shape": [-1, classes], "dtype": "float32"},
        "logits": {"shape": [-1, classes], "dtype": "float32"},
        "class": {"shape": [-1], "dtype": "int64"},
    }

    def signature(dtype: str) -> dict[str, Any]:
        image = {"shape": [-1, *network.image_shape], "dtype": dtype, "formula": "input = pixel"}
        return {"inputs": {"image": image}, "outputs": outputs}

    return {
        "path": SAVED_MODEL,
        "bytes": size,
        "arithmetic": arithmetic,
        "signatures": {
            FLOAT_SIGNATURE: signature("float32"),
            UINT8_SIGNATURE: signature("uint8"),
        },
    }


def tflite_part(runner: TFLiteInterpreter, contents: Contents, size: int) -> dict[str, Any]:
    """What stands in the contract about the .tflite of `size` bytes."""
    return {
        "path": TFLITE,
        "bytes": size,
        "signature": FLOAT_SIGNATURE,
        "inputs": [_tensor("image", runner.input) | _input_formula(runner.input)],
        "outputs": [_tensor("probabilities", runner.output) | _output_formula(runner.output)],
        "operators": contents.counts(),
    }


def _tensor(name: str, details: dict[str, Any]) -> dict[str, Any]:
    scale, zero_point = details["quantization"]
    return {
        "name": name,
        "tensor": details["name"],
        "shape": [int(side) for side in details["shape"]],
        "dtype": details["dtype"].__name__,
        # A tensor that is not quantised has no scale, rather than a scale of 0.
        "scale": float(scale) or None,
        "zero_point": int(zero_point) if scale else None,
    }


def _input_formula(details: dict[str, Any]) -> dict[str, str]:
    scale, zero_point = details["quantization"]
    if not scale or (scale == 1.0 and zero_point == 0):
        return {"formula": "input = pixel", "words": "Each pixel 0..255 goes in as it is."}
    return {
        "formula": f"input = round(pixel / {scale!r}) + {zero_point}",
        "words": "Each pixel 0..255 is divided by the scale, rounded, and moved by the zero point.",
    }


def _output_formula(details: dict[str, Any]) -> dict[str, str]:
    scale, zero_point = details["quantization"]
    if not scale:
        return {
            "formula": "probability = output",
            "words": "One probability per class, in the order of labels.txt; they sum to 1 "
            "(of an int8 file, to about 1).",
        }
    return {
        "formula": f"probability = (output - {zero_point}) * {scale!r}",
        "words": "One number per class, in the order of labels.txt; less the zero point, times "
        "the scale, it is the probability.",
    }
