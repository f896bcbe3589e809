"""How good a run is: accuracy, classes, confusions, calibration and mistakes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reszoo.report.pages.rendering import Cell, PageTable, Section, picture_address
from reszoo.report.text import format_accuracy, format_command, format_percent
from reszoo.runs import Run
from reszoo.runs.evaluation_file import StoredEvaluation, read_evaluation

_MOST_CLASSES, _MOST_PAIRS, _DRAWN_CLASSES = 100, 15, 200
"""Rows of the tables, and the classes up to which a confusion matrix is drawn."""


def evaluation_sections(run: Run) -> list[Section]:
    """Returns what evaluation.json of a run says, or the command that writes it."""
    evaluation = read_evaluation(run.path)
    if evaluation is None:
        finished = run.model_path.is_file()
        command = format_command("evaluate" if finished else "resume", run.path)
        return [Section("Accuracy", "evaluation_missing.html", {"command": command})]
    sections = [_accuracy(evaluation), _classes(evaluation)]
    if evaluation.mistakes:
        sections.append(_mistakes(evaluation))
    return sections


def _accuracy(evaluation: StoredEvaluation) -> Section:
    from reszoo.report.pages.static_figures import calibration_figure, confusion_figure

    facts = [
        ("data", f"{evaluation.data}, split {evaluation.split}, {evaluation.examples:,} images"),
        ("accuracy", format_accuracy(evaluation.accuracy, evaluation.interval)),
    ]
    if evaluation.top5 is not None:
        facts.append(("top-5 accuracy", format_percent(evaluation.top5)))
    facts.append(("loss", f"{evaluation.loss:.4f}"))
    error = evaluation.expected_calibration_error
    if error is not None:
        facts.append(("expected calibration error", format_percent(error)))
    if int(evaluation.views.get("count", 1)) > 1:
        facts.append(("averaged", f"{evaluation.views['count']} views"))
    figures = []
    if len(evaluation.classes) <= _DRAWN_CLASSES:
        figures.append(confusion_figure(evaluation.confusion, evaluation.classes))
    if error is not None:
        figures.append(calibration_figure(evaluation.calibration, error))
    return Section("Accuracy", "accuracy.html", {"facts": facts, "figures": figures})


def _classes(evaluation: StoredEvaluation) -> Section:
    examples, predicted = Counter[int](), Counter[int]()
    for (true, guess), count in evaluation.confusion.items():
        examples[true] += count
        predicted[guess] += count
    order = range(len(evaluation.classes))
    right = {index: evaluation.confusion.get((index, index), 0) for index in order}

    def recall(index: int) -> float:
        return right[index] / examples[index] if examples[index] else 2.0

    shown = sorted(order, key=recall)[:_MOST_CLASSES] if len(order) > _MOST_CLASSES else order
    rows = [
        [
            evaluation.classes[index],
            _count(examples[index]),
            _share(right[index], predicted[index]),
            _share(right[index], examples[index]),
        ]
        for index in shown
    ]
    pairs = [
        (evaluation.classes[true], evaluation.classes[guess], count)
        for (true, guess), count in evaluation.confusion.items()
        if true != guess
    ]
    worst = sorted(pairs, key=lambda pair: -pair[2])[:_MOST_PAIRS]
    values = {
        "classes": PageTable(("class", "images", "precision", "recall"), rows, "lrrr"),
        "left_out": len(order) - len(shown),
        "pairs": PageTable(
            ("true class", "predicted as", "images"),
            [[true, guess, _count(count)] for true, guess, count in worst],
            "llr",
        ),
        "missing": [evaluation.classes[index] for index in order if not examples[index]][:10],
    }
    return Section("Classes", "classes.html", values)


def _count(number: int) -> Cell:
    return Cell(f"{number:,}", number)


def _share(part: int, whole: int) -> Cell:
    share = part / whole if whole else None
    return Cell(format_percent(share, 1), share)


def _mistakes(evaluation: StoredEvaluation) -> Section:
    mistakes: list[dict[str, Any]] = [
        {
            "picture": picture_address(mistake.png, "png") if mistake.png else None,
            "true": mistake.true,
            "predicted": mistake.predicted,
            "confidence": format_percent(mistake.confidence, 1),
            "index": mistake.index,
        }
        for mistake in evaluation.mistakes
    ]
    values = {"mistakes": mistakes, "split": evaluation.split}
    return Section("Most confident mistakes", "mistakes.html", values)
