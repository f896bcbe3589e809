"""The parity report: parity.md and parity.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reszoo.exporting.bundle import Parity
from reszoo.exporting.layer_parity import LayerDifference
from reszoo.exporting.mixed_precision import LayerCost
from reszoo.exporting.parity import Comparison
from reszoo.exporting.reference_parity import KernelDifference

FORMAT = "reszoo parity"
FORMAT_VERSION = 1
_COSTLY = 0.01
TITLES = {
    "saved_model": "SavedModel",
    "tflite": "TFLite",
    "onnx": "ONNX",
    "tflite_reference": "TFLite, reference kernels",
    "tflite_micro": "TFLite-Micro",
}


def as_json(parity: Parity) -> dict[str, Any]:
    """Returns the content of parity.json."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "target": parity.target,
        "passed": parity.passed,
        "images": parity.source,
        "calibration": parity.calibration,
        "notes": list(parity.notes),
        "comparisons": [asdict(comparison) for comparison in parity.comparisons],
        "begins": asdict(parity.first_divergent) if parity.first_divergent else None,
        "costs": [asdict(cost) for cost in parity.costs],
        "float_layers": list(parity.float_layers),
        "kernels": [asdict(difference) for difference in parity.kernels],
        "layers": [asdict(layer) for layer in parity.layers],
    }


def as_markdown(parity: Parity, name: str) -> str:
    """Returns the content of parity.md for a network of this name."""
    lines = [
        f"# {name} for {parity.target}: {_verdict(parity)}",
        "",
        f"Compared on {parity.source}.",
    ]
    if parity.calibration:
        lines.append(f"Calibrated on {parity.calibration}.")
    if parity.float_layers:
        lines.append(f"Kept in float: {', '.join(parity.float_layers)}.")
    lines += [*parity.notes, "", *_table(parity.comparisons), ""]
    for comparison in parity.comparisons:
        lines += _checks(comparison)
    lines += ["", *_paired_accuracies(parity.comparisons)]
    if parity.kernels:
        lines += ["", *_kernels(parity.kernels)]
    if parity.costs:
        lines += ["", *_costs(parity)]
    if parity.layers:
        lines += ["", *_layers(parity)]
    return "\n".join(lines) + "\n"


def describe_failures(parity: Parity) -> list[str]:
    """Returns one sentence for each failed check."""
    return [
        f"{TITLES[comparison.file]}: {check.words} (limit {check.limit:.4g})"
        for comparison in parity.comparisons
        for check in comparison.checks
        if not check.passed
    ]


def describe_costs(costs: Sequence[LayerCost], most: int = 3) -> str:
    """Returns the layers most sensitive to int8 with their costs; empty if none stands out."""
    costly = [cost for cost in costs if cost.moved_probability >= _COSTLY][:most]
    return ", ".join(f"{each.layers[0]} ({each.moved_probability:.1%})" for each in costly)


def remedies(*, keep_float: bool) -> list[str]:
    """Returns remedies for an int8 file that fails the gate, the cheapest first."""
    offers = [
        "calibrate on more images (--set calibration.images=500) or on others (--data)",
        "train with quantization: `reszoo train --from RUN --quantize int8`",
    ]
    in_float = "keep the layers that need it in float with --keep-float auto"
    return [*offers, in_float] if keep_float else offers


def describe_layer(layer: LayerDifference) -> str:
    """Returns a layer's name, the layers fused with it and its difference."""
    fused = f" (computed with {', '.join(layer.fused[:-1])})" if len(layer.fused) > 1 else ""
    return f"{layer.layer}{fused}, {layer.relative:.2%} off"


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
    for row in comparisons:
        cells = (
            TITLES[row.file],
            str(row.images),
            f"{row.agreement:.2%}",
            f"{row.max_probability_difference:.2g}",
            # The smallest int8 probability is 0, whose logarithm is meaningless.
            "-" if row.arithmetic == "int8" else f"{row.max_log_probability_difference:.2g}",
            "-" if row.accuracy is None else f"{row.accuracy:.2%}",
            "-" if row.keras_accuracy is None else f"{row.keras_accuracy:.2%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _checks(comparison: Comparison) -> list[str]:
    return [
        f"- {TITLES[comparison.file]}, {'passed' if check.passed else 'FAILED'}: "
        f"{check.words}; limit {check.limit:.4g}"
        for check in comparison.checks
    ]


def _paired_accuracies(comparisons: tuple[Comparison, ...]) -> list[str]:
    lines = [
        "## Accuracy drop on the same images",
        "",
        "Percentage points below Keras with their two-sided 95 % confidence interval (Agresti and "
        "Min 2005), and the p-value of McNemar's exact two-sided test.",
        "",
        "| file | images | became wrong | became right | drop | 95 % interval | p |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [_paired_accuracy(each) for each in comparisons if each.accuracy_drop_interval95]
    return [*lines, *rows] if rows else []


def _paired_accuracy(comparison: Comparison) -> str:
    wrong, right = comparison.became_wrong or 0, comparison.became_right or 0
    low, high = (100 * end for end in comparison.accuracy_drop_interval95 or (0.0, 0.0))
    drop = 100 * (wrong - right) / comparison.images
    cells = (
        TITLES[comparison.file],
        f"{comparison.images}",
        f"{wrong}",
        f"{right}",
        f"{drop:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{comparison.mcnemar_p:.2g}",
    )
    return f"| {' | '.join(cells)} |"


def _kernels(differences: tuple[KernelDifference, ...]) -> list[str]:
    return [
        "## Other kernels against the reference kernels of the interpreter",
        "",
        "| kernels | images | identical | greatest difference (steps) |",
        "|---|---|---|---|",
        *(
            f"| {each.runtime} | {each.images} | {each.identical:.2%} | {each.greatest_steps:g} |"
            for each in differences
        ),
    ]


def _costs(parity: Parity) -> list[str]:
    return [
        "## Sensitivity to int8 by layer",
        "",
        "Share of the probability that moves to other classes when these layers alone are int8 and "
        "all others are float. A tensor between two layers counts for both.",
        "",
        "| layers | moved |",
        "|---|---|",
        *(f"| {', '.join(each.layers)} | {each.moved_probability:.2%} |" for each in parity.costs),
        "",
        "Remedies, in the order in which to try them:",
        "",
        *(
            f"{number}. {words}"
            for number, words in enumerate(remedies(keep_float=parity.allows_float), 1)
        ),
    ]


def _layers(parity: Parity) -> list[str]:
    lines = ["## Layer by layer, TFLite against Keras", ""]
    if parity.first_divergent:
        lines += [f"It begins in {describe_layer(parity.first_divergent)}.", ""]
    lines += ["| layer | operator | off (RMS) | greatest |", "|---|---|---|---|"]
    lines += [
        f"| {layer.layer} | {layer.operator} | {layer.relative:.2%} | {layer.greatest:.3g} |"
        for layer in parity.layers
    ]
    return lines
