"""contract.json: everything a program needs to use a bundle without reszoo.

| key | holds |
|---|---|
| format, format_version | `reszoo contract`, 2 (1 had no `sha256`) |
| name, title, target | the network, and the whole target it was exported for |
| gate | `passed`, `failed` (written with the gate off) or `not checked` |
| classes | count, file with one name per line, names |
| preprocessing | from any image to the network's input: sizes, numbers and words |
| files.saved_model | path, bytes, arithmetic, signatures with their inputs and outputs |
| files.onnx | path, bytes, opset, inputs and outputs, the runtime in which it was compared |
| files.tflite | path, bytes, precision, inputs and outputs with scales, zero points and formulas, \
operators |
| files.tflite.calibration | the images that set the ranges: source, number, seed, SHA-256 |
| files.tflite.arena | bytes in TFLite-Micro, if the target has an arena limit or memory plan |
| files.tflite.mediapipe | whether MediaPipe Tasks opens the file, and if not, why |
| files.tflite.float_layers | layers of an int8 file kept in float; absent if there are none |
| example | a golden image beside the contract and the output of each file for it |
| example.vectors | raw input and output tensors of the .tflite, and the tolerance |
| example.photograph | a large JPEG with an EXIF rotation, the input it becomes, and each output |
| sha256 | hash of each file of the bundle but contract.json, by path; checked before use |
| made_with | versions |
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reszoo.exporting.inference_graph import InferenceGraph
from reszoo.exporting.onnx_file import INPUT, ONNX, OPSET, OUTPUT
from reszoo.exporting.parity import Arithmetic
from reszoo.exporting.saved_model import (
    FLOAT_SIGNATURE,
    JPEG,
    JPEG_SIGNATURE,
    UINT8_SIGNATURE,
    takes_jpeg,
)
from reszoo.spec import to_mapping
from reszoo.spec.target import Target
from reszoo.tflite.arena import Arena
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.contract_file import FORMAT, FORMAT_VERSION, sha256_of
from reszoo.tflite.image_metadata import LABELS
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.memory_plan import MemoryPlan
from reszoo.tflite.model_file import MODEL_FILE
from reszoo.version import VERSION

SAVED_MODEL, GOLDEN = "saved_model", "golden.png"
_JPEG_WORDS = (
    "The bytes of JPEG files, grey or RGB, of any size. They are decoded, resized and cropped as "
    "`preprocessing` says, except that EXIF is not read: the caller must rotate an image with an "
    "EXIF orientation before passing it here or, as pixels, to "
    f"`{UINT8_SIGNATURE}`. For baseline files without rotation the pixels are those of `reszoo "
    "predict`, bit for bit. Bytes that are not an image raise InvalidArgumentError."
)
_RAW_PIXELS = "Each pixel 0..255 is passed unchanged."
_PROBABILITIES = "One probability per class, in the order of labels.txt; they sum to 1"


def build_contract(
    network: InferenceGraph,
    target: Target,
    *,
    gate: str,
    files: dict[str, Any],
    example: dict[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Returns the content of contract.json for a folder that holds all other files of the bundle.

    `files` and `example` are the entries of the exported files and of the golden example.
    """
    packages = ["tensorflow", "keras", "ai-edge-litert"]
    packages += ["tf2onnx", "onnx"] if "onnx" in files else []
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": network.name,
        "title": network.title,
        "gate": gate,
        "classes": {"count": len(network.classes), "file": LABELS, "names": list(network.classes)},
        "preprocessing": _preprocessing(network),
        "files": files,
        "example": example,
        "sha256": {
            path.relative_to(folder).as_posix(): sha256_of(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        "target": to_mapping(target),
        "made_with": {
            "reszoo": VERSION,
            **{name: version(name) for name in packages},
        },
    }


def _preprocessing(network: InferenceGraph) -> dict[str, Any]:
    """Describes, in numbers and in words, how an image becomes the network's input."""
    image_format = network.image_format
    height, width, channels = network.image_shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    crop, antialias = image_format.crop, image_format.antialias
    resized = (round(height / crop), round(width / crop))
    steps = [
        "Decode to 8 bits per channel, apply the EXIF rotation, lay transparency on white. "
        "Decode JPEG with libjpeg's accurate integer DCT (Pillow's, or tf.io.decode_jpeg with "
        "dct_method INTEGER_ACCURATE): the fast one costs half a point of accuracy.",
        f"Bring it to {colour}"
        + (" by (19595 R + 38470 G + 7471 B + 32768) >> 16." if channels == 1 else "."),
        f"Resize with {image_format.interpolation} interpolation"
        + (", filtered where it shrinks (antialias)," if antialias else " without filter,")
        + f" so that it just covers {resized[0]} x {resized[1]} (height x width) and keeps its "
        f"aspect ratio. An image that is {height} x {width} already "
        + ("is not touched." if crop == 1 else "is resized too."),
        f"Cut {height} x {width} out of the centre and round to whole numbers 0..255.",
        "Do not subtract a mean or divide: normalisation is the first layer of the network.",
    ]
    deep = {}
    if isinstance(image_format.sixteen_bit, tuple):
        low, high = image_format.sixteen_bit
        deep = {"sixteen_bit": [low, high]}
        steps[0] += (
            f" For 16-bit grey, clip each value v to {low}..{high} and take "
            f"(510 (v - {low}) + {high - low}) // {2 * (high - low)}, in whole numbers."
        )
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "colour": colour,
        "layout": "height, width, channels",
        "crop": crop,
        "resize_to_cover": list(resized),
        "interpolation": image_format.interpolation,
        "antialias": antialias,
        "pixels": "0..255",
        **deep,
        "steps": steps,
    }


def saved_model_entry(network: InferenceGraph, size: int, arithmetic: Arithmetic) -> dict[str, Any]:
    """Returns the contract's entry for a SavedModel of `size` bytes."""
    classes = len(network.classes)
    outputs = {
        "probabilities": {"shape": [-1, classes], "dtype": "float32"},
        "logits": {"shape": [-1, classes], "dtype": "float32"},
        "class": {"shape": [-1], "dtype": "int64"},
    }

    def signature(dtype: str) -> dict[str, Any]:
        image = {"shape": [-1, *network.image_shape], "dtype": dtype, "formula": "input = pixel"}
        return {"inputs": {"image": image}, "outputs": outputs}

    signatures = {FLOAT_SIGNATURE: signature("float32"), UINT8_SIGNATURE: signature("uint8")}
    if takes_jpeg(network.image_format):
        jpeg = {"shape": [-1], "dtype": "string", "words": _JPEG_WORDS}
        signatures[JPEG_SIGNATURE] = {"inputs": {JPEG: jpeg}, "outputs": outputs}
    return {
        "path": SAVED_MODEL,
        "bytes": size,
        "arithmetic": arithmetic,
        "signatures": signatures,
    }


def onnx_entry(network: InferenceGraph, size: int, runtime: str) -> dict[str, Any]:
    """Returns the contract's entry for an ONNX file of `size` bytes, compared in `runtime`."""
    image = {"formula": "input = pixel", "words": _RAW_PIXELS}
    answer = {"formula": "probability = output", "words": f"{_PROBABILITIES}."}
    return {
        "path": ONNX,
        "bytes": size,
        "opset": OPSET,
        "inputs": [_free_batch(INPUT, network.image_shape) | image],
        "outputs": [_free_batch(OUTPUT, (len(network.classes),)) | answer],
        "compared_in": runtime,
    }


def _free_batch(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "shape": [-1, *shape], "dtype": "float32"}


def tflite_entry(
    interpreter: TFLiteInterpreter,
    model: TFLiteModel,
    target: Target,
    arena: Arena | None,
    plan: MemoryPlan | None,
) -> dict[str, Any]:
    """Returns the contract's entry for a .tflite.

    `arena` and `plan` are None if the target has neither an arena limit nor a memory plan.
    """
    source, output = interpreter.input, interpreter.output
    operators = [operator.name for operator in model.main.operators]
    return {
        "path": MODEL_FILE,
        "bytes": len(model.content),
        "precision": target.quantization,
        "signature": FLOAT_SIGNATURE,
        "inputs": [_tensor("image", source) | _input_formula(source)],
        "outputs": [_tensor("probabilities", output) | _output_formula(output)],
        "operators": dict(Counter(operators).most_common()),
        "metadata": target.metadata,
        "mediapipe": _mediapipe(source, output, has_metadata=target.metadata),
        **({"arena": _arena(arena, plan)} if arena is not None else {}),
    }


def _arena(arena: Arena, plan: MemoryPlan | None) -> dict[str, Any]:
    compared = (
        {"lower_bound_bytes": plan.lower_bound, "tflite_micro_bytes": plan.greedy_bytes}
        if plan is not None
        else {}
    )
    return {
        "bytes": arena.bytes,
        "feature_map_bytes": arena.feature_map_bytes,
        "own_bytes": arena.own_bytes,
        "source": arena.source,
        **compared,
    }


def _mediapipe(
    source: dict[str, Any], output: dict[str, Any], *, has_metadata: bool
) -> dict[str, Any]:
    """Returns whether MediaPipe Tasks opens a file, by the rules of its version 1.2.3."""
    channels = int(source["shape"][-1])
    why = None
    if channels != 3:
        why = f"it takes images of three channels, not {channels}"
    elif source["dtype"].__name__ not in ("uint8", "float32"):
        why = f"it takes uint8 or float32 pixels, not {source['dtype'].__name__}"
    elif output["dtype"].__name__ not in ("uint8", "float32"):
        why = f"it takes uint8 or float32 probabilities, not {output['dtype'].__name__}"
    elif source["dtype"].__name__ == "float32" and not has_metadata:
        why = "float32 pixels need normalisation metadata"
    return {"opens": why is None, "why": why}


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
        return {"formula": "input = pixel", "words": _RAW_PIXELS}
    if scale == 1.0:
        return {
            "formula": f"input = pixel {_signed(zero_point)}",
            "words": f"{abs(zero_point)} is {'added to' if zero_point > 0 else 'subtracted from'} "
            "each pixel 0..255.",
        }
    return {
        "formula": f"input = round(pixel / {scale!r}) {_signed(zero_point)}",
        "words": "Each pixel 0..255 is divided by the scale and rounded; the zero point is added.",
    }


def _output_formula(details: dict[str, Any]) -> dict[str, str]:
    scale, zero_point = details["quantization"]
    if not scale:
        return {
            "formula": "probability = output",
            "words": f"{_PROBABILITIES} (to about 1 in an int8 file).",
        }
    return {
        "formula": f"probability = (output {_signed(-zero_point)}) * {scale!r}",
        "words": "One number per class, in the order of labels.txt; subtract the zero point and "
        "multiply by the scale to get the probability.",
    }


def _signed(number: int) -> str:
    return f"- {-number}" if number < 0 else f"+ {number}"
