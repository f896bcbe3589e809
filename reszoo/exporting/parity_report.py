"""How does a reader see the parity of a bundle? The texts of parity.md and parity.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reszoo.exporting.bundle import Parity
from reszoo.exporting.layer_parity import LayerDifference
from reszoo.exporting.parity import Comparison

FORMAT = "reszoo parity"
FORMAT_VERSION = 1
_TITLES = {"saved_model": "SavedModel", "tflite": "TFLite"}


def as_json(parity: Parity) -> dict[str, Any]:
    """Plain values for parity.json."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "target": parity.target,
        "passed": parity.passed,
        "images": parity.source,
        "calibration": parity.calibration,
        "notes": list(parity.notes),
        "comparisons": [comparison.to_dict() for comparison in parity.comparisons],
        "begins": asdict(parity.begins) if parity.begins else None,
        "layers": [asdict(layer) for layer in parity.layers],
    }


def as_text(parity: Parity, name: str) -> str:
    """The report as Markdown."""
    verdict = _verdict(parity)
    lines = [
        f"# {name} for {parity.target}: {verdict}",
        "",
        f"Compared on {parity.source}.",
    ]
    if parity.calibration:
        lines.append(f"Calibrated on {parity.calibration}.")
    lines += [*parity.notes, "", *_table(parity.comparisons), ""]
    for comparison in parity.comparisons:
        lines += _verdicts(comparison)
    if parity.layers:
        lines += ["", *_layers(parity)]
    return "\n".join(lines) + "\n"


def failures(parity: Parity) -> list[str]:
    """One sentence for each limit that was not kept."""
    return [
        f"{_TITLES[comparison.file]}: {check.words} (limit {check.limit:.4g})"
        for comparison in parity.comparisons
        for check in comparison.checks
        if not check.passed
    ]


def begins(layer: LayerDifference) -> str:
    """Where the difference begins, in words."""
    inside = f" (computed with {', '.join(layer.fused[:-1])})" if len(layer.fused) > 1 else ""
    return f"{layer.layer}{inside}, {layer.relative:.2%} off"


def _verdict(parity: Parity) -> str:
    if parity.passed:
        return "agrees with the Keras model"
    if all(comparison.agrees for comparison in parity.comparisons):
        return "agrees with a Keras model that only GUESSES"
    return "DISAGREES with the Keras model"


def _table(comparisons: tuple[Comparison, ...]) -> list[str]:
    lines = [
        "| file | images | same class | max probability | max log-probability | accuracy | Keras |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in comparisons:
        cells = (
            _TITLES[one.file],
            str(one.images),
            f"{one.agreement:.2%}",
            f"{one.max_probability_difference:.2g}",
            # The smallest int8 probability is 0, whose logarithm says nothing.
            "-" if one.arithmetic == "int8" else f"{one.max_log_probability_difference:.2g}",
            "-" if one.accuracy is None else f"{one.accuracy:.2%}",
            "-" if one.keras_accuracy is None else f"{one.keras_accuracy:.2%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _verdicts(comparison: Comparison) -> list[str]:
    return [
        f"- {_TITLES[comparison.file]}, {'passed' if check.passed else 'FAILED'}: "
        f"{check.words}; limit {check.limit:.4g}"
        for check in comparison.checks
    ]


def _layers(parity: Parity) -> list[str]:
    lines = ["## Layer by layer, TFLite against Keras", ""]
    if parity.begins:
        lines += [f"It begins in {begins(parity.begins)}.", ""]
    lines += ["| layer | operator | off (RMS) | greatest |", "|---|---|---|---|"]
    lines += [
        f"| {layer.layer} | {layer.operator} | {layer.relative:.2%} | {layer.greatest:.3g} |"
        for layer in parity.layers
    ]
    return lines
