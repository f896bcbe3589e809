"""Generates the C++ sources of a bundle for TFLite-Micro, without any Python package.

    python generate.py BUNDLE FOLDER [--picture IMAGE.ppm]

| file | contents |
|---|---|
| model_data.h, model_data.cc | the .tflite as an aligned array, sizes, labels |
| operators.h | an op resolver with exactly the operators of the file |
| golden.h | the golden vector of the bundle |
| picture.h | pixels to classify: those of `--picture`, else of the golden image |
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

_FORMAT, _VERSIONS = "reszoo contract", (2, 3)
_ALIGNMENT = 16
_IRREGULAR = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
"""Operators whose resolver method cannot be derived from their name."""


class BundleError(Exception):
    """A bundle that TFLite-Micro cannot run, or an image of the wrong size."""


def read_bundle(bundle: Path) -> tuple[dict[str, Any], bytes]:
    """Returns the contract and the .tflite of a bundle.

    Raises:
      BundleError: the bundle is not for a microcontroller, or its .tflite was changed.
    """
    try:
        contract = json.loads((bundle / "contract.json").read_text(encoding="utf-8"))
        found = contract["format"], contract["format_version"]
        entry = contract["files"]["tflite"]
        model = (bundle / entry["path"]).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{bundle} is not a bundle with a .tflite: {error!r}") from error
    if found[0] != _FORMAT or found[1] not in _VERSIONS:
        raise BundleError(f"expected a {_FORMAT} of version 2 or 3, found {found}")
    if hashlib.sha256(model).hexdigest() != contract["sha256"][entry["path"]]:
        raise BundleError(f"{bundle / entry['path']} is not the file that contract.json describes")
    if [side["dtype"] for side in (*entry["inputs"], *entry["outputs"])] != ["int8", "int8"]:
        raise BundleError("input and output must be int8; export for the target microcontroller")
    vectors = contract["example"].get("vectors", {}).get("tflite", {})
    if "arena" not in entry or "c" not in vectors:
        raise BundleError("the contract has no arena; export for the target microcontroller")
    return contract, model


def method(operator: str) -> str:
    """Returns the op resolver's method for a built-in operator, such as AddConv2D for CONV_2D."""
    words = "".join(word.capitalize() for word in operator.split("_"))
    return "Add" + _IRREGULAR.get(operator, words.replace("2d", "2D"))


def array(values: bytes, kind: str, name: str) -> str:
    """Returns the definition of an aligned C++ array."""
    lines = [
        "    " + " ".join(f"{value:#04x}," for value in values[start : start + 12])
        for start in range(0, len(values), 12)
    ]
    head = f"alignas({_ALIGNMENT}) {kind} {name}[{len(values)}] = {{"
    return "\n".join([head, *lines, "};"])


def model_header(contract: dict[str, Any], model: bytes) -> str:
    """Returns model_data.h."""
    entry, steps = contract["files"]["tflite"], contract["preprocessing"]
    (source,), (sink,) = entry["inputs"], entry["outputs"]
    names = contract["classes"]["names"]
    constants = [
        f"constexpr int kArenaBytes = {entry['arena']['bytes']};  // {entry['arena']['source']}",
        f"constexpr int kHeight = {steps['height']}, kWidth = {steps['width']};",
        f"constexpr int kChannels = {steps['channels']}, kClasses = {len(names)};",
        f"constexpr float kInputScale = {float(source['scale'])!r}f;",
        f"constexpr int kInputZeroPoint = {source['zero_point']};",
        f"constexpr float kOutputScale = {float(sink['scale'])!r}f;",
        f"constexpr int kOutputZeroPoint = {sink['zero_point']};",
        f"constexpr int kTolerance = {int(contract['example']['vectors']['tflite']['tolerance'])};",
        f"extern const unsigned char kModel[{len(model)}];",
        "extern const char* const kLabels[kClasses];",
    ]
    return "\n".join(["#pragma once", "", *constants, ""])


def model_source(contract: dict[str, Any], model: bytes) -> str:
    """Returns model_data.cc."""
    labels = ",\n".join(f"    {_c_string(name)}" for name in contract["classes"]["names"])
    return "\n".join(
        [
            '#include "model_data.h"',
            "",
            array(model, "const unsigned char", "kModel"),
            "",
            f"const char* const kLabels[kClasses] = {{\n{labels},\n}};",
            "",
        ]
    )


def _c_string(text: str) -> str:
    """Returns a C string literal, UTF-8 in octal escapes, which end after three digits."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    plain = 32 <= byte < 127 and byte not in b'"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"


def operators_header(operators: dict[str, int]) -> str:
    """Returns operators.h."""
    calls = " ||\n         ".join(f"r.{method(name)}() != kTfLiteOk" for name in sorted(operators))
    return f"""#pragma once

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

using Resolver = tflite::MicroMutableOpResolver<{len(operators)}>;

// Registers the operators of the file; returns false if one cannot be registered.
inline bool RegisterOperators(Resolver& r) {{
  return !({calls});
}}
"""


def picture_header(contract: dict[str, Any], bundle: Path, picture: Path | None) -> str:
    """Returns picture.h: pixels 0..255, of the network's input size.

    Raises:
      BundleError: the file is not a binary PPM or PGM of the network's input size.
    """
    pixels = _golden_pixels(contract, bundle) if picture is None else _pnm(contract, picture)
    return f"#pragma once\n\n{array(pixels, 'const unsigned char', 'kPicture')}\n"


def _golden_pixels(contract: dict[str, Any], bundle: Path) -> bytes:
    """Returns the pixels of the golden image, dequantized from the golden input."""
    (source,) = contract["files"]["tflite"]["inputs"]
    raw = (bundle / contract["example"]["vectors"]["tflite"]["input"]).read_bytes()
    header = 10 + int.from_bytes(raw[8:10], "little")
    values = (value - 256 * (value > 127) for value in raw[header:])
    return bytes(round((value - source["zero_point"]) * source["scale"]) for value in values)


def _pnm(contract: dict[str, Any], path: Path) -> bytes:
    steps = contract["preprocessing"]
    kind = {1: b"P5", 3: b"P6"}.get(steps["channels"])
    size = steps["height"] * steps["width"] * steps["channels"]
    content = path.read_bytes()
    header = content[: len(content) - size].split()
    expected = [kind, b"%d" % steps["width"], b"%d" % steps["height"], b"255"]
    if kind is None or header != expected:
        words = " ".join(part.decode() for part in expected if part)
        raise BundleError(f"{path} is not an image with the header: {words}")
    return content[len(content) - size :]


def generate(bundle: Path, folder: Path, picture: Path | None = None) -> None:
    """Generates the sources of a bundle in a folder.

    Raises:
      BundleError: the bundle or the picture cannot be used.
    """
    contract, model = read_bundle(bundle)
    files = {
        "model_data.h": model_header(contract, model),
        "model_data.cc": model_source(contract, model),
        "operators.h": operators_header(contract["files"]["tflite"]["operators"]),
        "golden.h": (bundle / contract["example"]["vectors"]["tflite"]["c"]).read_text(),
        "picture.h": picture_header(contract, bundle, picture),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Generate C++ sources of a bundle for TFLite-Micro."
    )
    parser.add_argument("bundle", type=Path, help="folder that `reszoo export` wrote")
    parser.add_argument("folder", type=Path, help="folder for the sources")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="IMAGE.ppm",
        help="test image for main.cc: PPM or PGM of the network's input size",
    )
    arguments = parser.parse_args()
    try:
        generate(arguments.bundle, arguments.folder, arguments.picture)
    except (BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
