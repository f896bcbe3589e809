"""How are predictions told?"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reszoo.report.text import table

if TYPE_CHECKING:
    from reszoo.inference.predict import Prediction


def predictions_text(predictions: Sequence[Prediction]) -> str:
    """A block for each picture: its classes, likeliest first."""
    rows = [
        (
            prediction.path,
            "\n".join(prediction.classes),
            "\n".join(f"{100 * share:.2f} %" for share in prediction.probabilities),
        )
        for prediction in predictions
    ]
    return table(("picture", "class", "probability"), rows, "llr")


def predictions_csv(predictions: Sequence[Prediction]) -> str:
    """A line for each picture and class: picture, rank, class, probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("picture", "rank", "class", "probability"))
    for prediction in predictions:
        pairs = zip(prediction.classes, prediction.probabilities, strict=True)
        for rank, (name, share) in enumerate(pairs, 1):
            writer.writerow((prediction.path, rank, name, f"{share:.6f}"))
    return text.getvalue()
