"""How is an evaluation told: accuracy, classes, confusions?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.report.text import MISSING, count, facts, percent, table

if TYPE_CHECKING:
    from reszoo.inference.metrics import Agreement, Evaluation

_WIDEST_MATRIX = 20
"""Classes of the largest confusion matrix that a terminal shows; above, the worst pairs stand."""
_WORST_PAIRS = 10


def evaluation_text(evaluation: Evaluation) -> str:
    """All of it: the figures, a line per class, and what was taken for what."""
    low, high = evaluation.interval
    lines = [
        (
            "data",
            f"{evaluation.data}, split {evaluation.split}, {count(evaluation.examples)} images",
        ),
        (
            "accuracy",
            f"{percent(evaluation.accuracy)} (95 % interval {100 * low:.2f} to {percent(high)})",
        ),
    ]
    if evaluation.top5 is not None:
        lines.append(("top-5", percent(evaluation.top5)))
    lines.append(("loss", f"{evaluation.loss:.4f}"))
    if evaluation.views.count > 1:
        lines.append(("averaged", evaluation.views.text))
    if evaluation.agreement is not None:
        lines.append(("agreement", agreement_text(evaluation.agreement)))
    small = len(evaluation.classes) <= _WIDEST_MATRIX
    confusions = _matrix(evaluation) if small else _worst_pairs(evaluation)
    return "\n\n".join([facts(lines), _classes(evaluation), confusions]).rstrip()


def agreement_text(agreement: Agreement) -> str:
    """How a folded network agrees with what it was, in a line."""
    return (
        f"folded, {agreement.computes}: the first class of the float32 network on "
        f"{percent(agreement.same, 1)} of {count(agreement.images)} images, logits within "
        f"{agreement.greatest:.2g} (the largest is {agreement.largest:.3g})"
    )


def _classes(evaluation: Evaluation) -> str:
    rows = [
        (one.name, count(one.examples), _share(one.precision), _share(one.recall))
        for one in evaluation.classes
    ]
    return table(("class", "images", "precision", "recall"), rows, "lrrr")


def _share(value: float | None) -> str:
    return MISSING if value is None else percent(value, 1)


def _matrix(evaluation: Evaluation) -> str:
    names = [one.name for one in evaluation.classes]
    rows = [
        (name, *(str(number) if number else "." for number in row))
        for name, row in zip(names, evaluation.confusion, strict=True)
    ]
    header = ("true \\ predicted", *(_short_name(name) for name in names))
    return table(header, rows, "l" + "r" * len(names))


def _short_name(name: str) -> str:
    return name if len(name) <= 8 else f"{name[:7]}~"


def _worst_pairs(evaluation: Evaluation) -> str:
    names = [one.name for one in evaluation.classes]
    pairs = [
        (number, names[true], names[predicted])
        for true, row in enumerate(evaluation.confusion)
        for predicted, number in enumerate(row)
        if number and true != predicted
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:_WORST_PAIRS]
    rows = [(true, predicted, count(number)) for number, true, predicted in worst]
    return table(("most often, this", "was taken for", "times"), rows, "llr") if rows else ""
