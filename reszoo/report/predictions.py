"""Predictions as a table or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reszoo.report.text import format_percent, table

if TYPE_CHECKING:
    from reszoo.inference.predict import Prediction


def predictions_text(predictions: Sequence[Prediction]) -> str:
    """Returns a table with the most likely classes of each picture, best first."""
    rows = [
        (
            prediction.path,
            "\n".join(prediction.classes),
            "\n".join(map(format_percent, prediction.probabilities)),
        )
        for prediction in predictions
    ]
    return table(("picture", "class", "probability"), rows, "llr")


def predictions_csv(predictions: Sequence[Prediction]) -> str:
    """Returns a line per picture and class: picture, rank, class, probability, true class.

    The true class is empty where no folder is named after one.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("picture", "rank", "class", "probability", "true_class"))
    for prediction in predictions:
        pairs = zip(prediction.classes, prediction.probabilities, strict=True)
        for rank, (name, share) in enumerate(pairs, 1):
            row = (prediction.path, rank, name, f"{share:.6f}", prediction.true_class)
            writer.writerow(row)
    return text.getvalue()
