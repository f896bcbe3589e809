"""Summary of an evaluation: accuracy, classes and confusions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.counted import counted
from reszoo.report.cells import text_cells
from reszoo.report.text import facts, format_accuracy, format_percent, table

if TYPE_CHECKING:
    from reszoo.inference.metrics import Agreement, Evaluation

_MAX_MATRIX_CLASSES = 20
"""With more classes, the most frequent confusions replace the matrix."""
_MAX_PAIRS = 10
_NAME_CELLS = 8
"""Width of a class name above a column of the matrix."""


def evaluation_text(evaluation: Evaluation) -> str:
    """Returns accuracy and loss, a table of the classes, and the confusions."""
    data = f"{evaluation.data}, split {evaluation.split}, "
    data += counted(evaluation.examples, "image")
    lines = [
        ("data", data),
        ("accuracy", format_accuracy(evaluation.accuracy, evaluation.interval)),
    ]
    if evaluation.top5 is not None:
        lines.append(("top-5", format_percent(evaluation.top5)))
    lines.append(("loss", f"{evaluation.loss:.4f}"))
    if evaluation.views.count > 1:
        lines.append(("averaged", evaluation.views.text))
    if evaluation.agreement is not None:
        lines.append(("agreement", agreement_text(evaluation.agreement)))
    small = len(evaluation.classes) <= _MAX_MATRIX_CLASSES
    confusions = _matrix(evaluation) if small else _worst_pairs(evaluation)
    sections = [facts(lines), _classes(evaluation), confusions, _lacking(evaluation)]
    return "\n\n".join(filter(None, sections)).rstrip()


def _lacking(evaluation: Evaluation) -> str:
    names = [score.name for score in evaluation.classes if not score.examples]
    more = f" and {len(names) - _MAX_PAIRS} more" if len(names) > _MAX_PAIRS else ""
    listed = ", ".join(names[:_MAX_PAIRS]) + more
    return f"note: the split has no images of {listed}" if names else ""


def agreement_text(agreement: Agreement) -> str:
    """Returns, in one line, how far a folded network agrees with the original."""
    return (
        f"folded, {agreement.computes}: the first class of the float32 network on "
        f"{format_percent(agreement.same_class, 1)} of {agreement.images:,} images, logits within "
        f"{agreement.max_difference:.2g} (the largest is {agreement.max_logit:.3g})"
    )


def _classes(evaluation: Evaluation) -> str:
    rows = [
        (
            score.name,
            f"{score.examples:,}",
            format_percent(score.precision, 1),
            format_percent(score.recall, 1),
        )
        for score in evaluation.classes
    ]
    return table(("class", "images", "precision", "recall"), rows, "lrrr")


def _matrix(evaluation: Evaluation) -> str:
    names = [score.name for score in evaluation.classes]
    rows = [
        (name, *(str(number) if number else "." for number in row))
        for name, row in zip(names, evaluation.confusion_matrix().tolist(), strict=True)
    ]
    return table(("true \\ predicted", *map(_abbreviate, names)), rows, "l" + "r" * len(names))


def _abbreviate(name: str) -> str:
    if text_cells(name) <= _NAME_CELLS:
        return name
    from rich.cells import set_cell_size

    return set_cell_size(name, _NAME_CELLS - 1) + "~"


def _worst_pairs(evaluation: Evaluation) -> str:
    names = [score.name for score in evaluation.classes]
    pairs = [
        (number, names[true], names[predicted])
        for (true, predicted), number in evaluation.confusion.items()
        if true != predicted
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:_MAX_PAIRS]
    rows = [(true, predicted, f"{number:,}") for number, true, predicted in worst]
    return table(("true class", "predicted as", "times"), rows, "llr") if rows else ""
