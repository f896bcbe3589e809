"""Summary of an exported bundle: files, sizes and agreement with Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reszoo.report.text import facts, format_bytes, format_command, format_percent, table

if TYPE_CHECKING:
    from reszoo.exporting import Bundle, Comparison

_DESCRIPTIONS = {
    "saved_model": "SavedModel, any batch size",
    "model.tflite": "TFLite",
    "model.onnx": "ONNX, any batch size",
    "CARD.md": "one-page summary",
    "golden_input.npy": "input tensor of the worked example",
    "golden_output.npy": "output tensor of the .tflite for it",
    "golden.h": "both tensors as C arrays",
    "golden.png": "the image of the worked example",
    "photo.jpg": "a large photograph on its side, to test decoding, turning and resizing",
    "photo_input.png": "the input that the photograph becomes",
    "labels.txt": "one class name per line",
    "contract.json": "inputs, outputs, formulas, a worked example",
    "parity.md": "comparison with Keras",
    "parity.json": "comparison with Keras, machine-readable",
}


def bundle_text(bundle: Bundle) -> str:
    """Returns the bundle's files with their sizes, and its parity with Keras."""
    files = [
        (entry.name, format_bytes(_bytes(entry)), _DESCRIPTIONS.get(entry.name, ""))
        for entry in sorted(bundle.path.iterdir())
    ]
    lines = [
        ("bundle", str(bundle.path)),
        ("gate", bundle.gate),
        ("Keras weights", f"{format_bytes(bundle.keras_bytes)} in float32"),
    ]
    if bundle.parity.float_layers:
        lines.append(("kept in float", ", ".join(bundle.parity.float_layers)))
    sections = [facts(lines), table(("file", "size", "contents"), files, "lrl")]
    if comparisons := [_comparison(comparison) for comparison in bundle.parity.comparisons]:
        header = ("file", "images", "same class", "largest difference", "accuracy", "of Keras")
        sections.append(table(header, comparisons, "lrrrrr"))
    if len({comparison.images for comparison in bundle.parity.comparisons}) > 1:
        sections.append("Each accuracy of Keras is on the images of its row, spread over the data.")
    return "\n\n".join([*sections, *bundle.parity.notes, facts(_next_commands(bundle))])


def _next_commands(bundle: Bundle) -> list[tuple[str, str]]:
    has_tflite = bundle.tflite_bytes is not None
    first, *others = ["verify", *(["inspect"] if has_tflite else []), "benchmark"]
    commands = [("", format_command(word, bundle.path)) for word in others]
    return [("next", format_command(first, bundle.path)), *commands]


def _comparison(comparison: Comparison) -> tuple[str, ...]:
    return (
        f"{comparison.file} ({comparison.arithmetic})",
        str(comparison.images),
        format_percent(comparison.agreement),
        f"{comparison.max_probability_difference:.2g}",
        format_percent(comparison.accuracy),
        format_percent(comparison.keras_accuracy),
    )


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else (file for file in path.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)
