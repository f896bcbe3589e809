"""What is in an exported bundle, how large is it, and how well does it agree with Keras?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reszoo.report.text import MISSING, facts, percent, size, table

if TYPE_CHECKING:
    from reszoo.exporting import Bundle, Comparison

_WHAT = {
    "saved_model": "SavedModel, any batch size",
    "model.tflite": "TFLite",
    "golden.png": "the image of the worked example",
    "labels.txt": "a class name per line",
    "contract.json": "inputs, outputs, formulas, a worked example",
    "parity.md": "how it compares with Keras, to read",
    "parity.json": "the same, for programs",
}


def bundle_text(bundle: Bundle) -> str:
    """The bundle's files, sizes and parity."""
    files = [
        (entry.name, size(_bytes(entry)), _WHAT.get(entry.name, ""))
        for entry in sorted(bundle.path.iterdir())
    ]
    gate = [("bundle", str(bundle.path)), ("gate", bundle.gate)]
    gate.append(("Keras weights", f"{size(bundle.keras_bytes)} in float32"))
    comparisons = [_comparison(one) for one in bundle.parity.comparisons]
    header = (
        "compared with Keras",
        "images",
        "same class",
        "largest difference",
        "accuracy",
        "Keras",
    )
    sections = [facts(gate), table(("file", "size", "what"), files, "lrl")]
    if comparisons:
        sections.append(table(header, comparisons, "lrrrrr"))
    return "\n\n".join([*sections, *bundle.parity.notes])


def _comparison(one: Comparison) -> tuple[str, ...]:
    return (
        f"{one.file} ({one.arithmetic})",
        str(one.images),
        percent(one.agreement),
        f"{one.max_probability_difference:.2g}",
        MISSING if one.accuracy is None else percent(one.accuracy),
        MISSING if one.keras_accuracy is None else percent(one.keras_accuracy),
    )


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
