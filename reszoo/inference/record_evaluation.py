"""The record of an evaluation in its run folder."""

from __future__ import annotations

import base64
import warnings
from dataclasses import asdict
from typing import Any

from reszoo.errors import MachineError, UserError
from reszoo.inference.metrics import Evaluation
from reszoo.inference.mistakes import PICTURED
from reszoo.runs import Run
from reszoo.runs.evaluation_file import read_evaluation, write_evaluation


def record_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Writes evaluation.json of a run, which its page and its card show.

    One of the test split is not replaced by one of another split. A folder that cannot be written
    is a warning: the evaluation was not made for the file.
    """
    if _is_replaced(run, evaluation):
        try:
            write_evaluation(run.path, _values(evaluation))
        except MachineError as error:
            warnings.warn(f"evaluation.json was not written: {error.what}", stacklevel=2)


def _is_replaced(run: Run, evaluation: Evaluation) -> bool:
    try:
        before = read_evaluation(run.path)
    except UserError:  # Damaged; this one is not.
        return True
    tested = run.info.get("test_split", "test")
    return before is None or before.split != tested or evaluation.split == tested


def _values(evaluation: Evaluation) -> dict[str, Any]:
    names = [score.name for score in evaluation.classes]
    values = evaluation.to_dict()
    shared = ("data", "split", "examples", "accuracy", "interval95", "top5", "loss", "views")
    return {
        **{key: values[key] for key in shared},
        "classes": names,
        "confusion": [[*cell, count] for cell, count in evaluation.confusion.items()],
        "calibration": [asdict(each) for each in evaluation.calibration],
        "mistakes": [
            {
                "index": mistake.index,
                "true": names[mistake.label],
                "predicted": names[mistake.predicted],
                "confidence": mistake.confidence,
                "png": base64.b64encode(mistake.png).decode() if mistake.png else None,
            }
            for mistake in evaluation.mistakes[:PICTURED]
        ],
    }
