"""Run folders for pages, written by hand: no training."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from reszoo.runs import Run
from reszoo.runs.evaluation_file import write_evaluation
from tests.runs.samples import new_run

HOSTILE = "<script>alert('x')</script>"
CLASSES = ["a", HOSTILE, "$\\frac{c}$"]


def finished_run(
    path: Path, *, seed: int = 1, accuracy: float = 0.9, classes=CLASSES, epochs=2, **changes
) -> Run:
    """A finished run with metrics and an evaluation."""
    data = {"name": "digits", "classes": list(classes), "splits": {"train": 80, "test": 20}}
    run = new_run(path, seed=seed, data=data, **changes)
    for epoch in range(1, epochs + 1):
        run.append_metrics(
            {
                "kind": "epoch",
                "epoch": epoch,
                "step": 10 * epoch,
                "learning_rate": 0.1,
                "loss": 1 / epoch,
                "accuracy": accuracy * epoch / epochs,
                "val_loss": 1.1 / epoch,
                "val_accuracy": accuracy * epoch / epochs,
            }
        )
        run.append_timing({"epoch": epoch, "seconds": 2.0})
    result = {"test_split": "test", "test_accuracy": accuracy, "test_interval95": [0.7, 0.99]}
    run.set_state("finished", epochs=epochs, best={"epoch": epochs, "val_accuracy": 0.8}, **result)
    write_evaluation(run.path, evaluation(classes, accuracy))
    return run


def evaluation(classes=CLASSES, accuracy: float = 0.9) -> dict:
    count = len(classes)
    filled = {"low": 0.5, "high": 1.0, "examples": 20, "confidence": 0.8, "accuracy": accuracy}
    empty = {"low": 0.0, "high": 0.5, "examples": 0, "confidence": None, "accuracy": None}
    mistake = {"index": 3, "true": classes[0], "predicted": classes[1], "confidence": 0.97}
    return {
        "data": "digits",
        "split": "test",
        "examples": 20,
        "accuracy": accuracy,
        "interval95": [0.7, 0.99],
        "top5": None,
        "loss": 0.3,
        "views": {"count": 1},
        "classes": list(classes),
        "confusion": [[i, i, 6] for i in range(count)] + [[0, 1, 2]],
        "calibration": [empty, filled],
        "mistakes": [{**mistake, "png": base64.b64encode(_png()).decode()}],
    }


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), 90).save(file, "PNG")
    return file.getvalue()
