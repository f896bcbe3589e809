"""evaluation.json: how good a run's network is, with its mistakes, as pages and cards show it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.atomic_files import write_json
from reszoo.errors import UserError, first_line
from reszoo.json_text import parse_json

NAME = "evaluation.json"
FORMAT = "reszoo evaluation"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """A bin of a reliability diagram; `confidence` and `accuracy` are None where it is empty."""

    low: float
    high: float
    examples: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class PicturedMistake:
    """An image in a wrong class; `png` is None where the image was not kept."""

    index: int
    true: str
    predicted: str
    confidence: float
    png: bytes | None


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """The contents of evaluation.json."""

    data: str
    split: str
    examples: int
    accuracy: float
    interval: tuple[float, float]
    """95 % confidence interval."""
    top5: float | None
    loss: float
    views: Mapping[str, Any]
    classes: tuple[str, ...]
    confusion: Mapping[tuple[int, int], int]
    """Number of images by true and predicted class, without zeros."""
    calibration: tuple[ReliabilityBin, ...]
    mistakes: tuple[PicturedMistake, ...]

    @property
    def expected_calibration_error(self) -> float | None:
        """Mean distance of confidence and accuracy over all images (Guo 2017)."""
        gaps = [
            each.examples * abs(each.confidence - each.accuracy)
            for each in self.calibration
            if each.confidence is not None and each.accuracy is not None
        ]
        return sum(gaps) / self.examples if gaps and self.examples else None


def write_evaluation(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes evaluation.json into a run folder; `values` are those of the format below its head.

    Raises:
      MachineError: the folder cannot be written.
    """
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    write_json(folder / NAME, {**head, **values})


def read_evaluation(folder: Path) -> StoredEvaluation | None:
    """Returns the evaluation in a run folder; None where there is none.

    Raises:
      UserError: the file is damaged, or from a newer reszoo.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        values = parse_json(path.read_bytes())
        if values["format"] != FORMAT or values["format_version"] > FORMAT_VERSION:
            raise ValueError(f"it says {values['format']} {values['format_version']}")
        return _parse(values)
    except (OSError, ValueError, KeyError, TypeError, IndexError, binascii.Error) as error:
        raise UserError(
            f"{path} cannot be read",
            expected=f"an evaluation of format version {FORMAT_VERSION} or older",
            found=first_line(error) or type(error).__name__,
            hint=f"`reszoo evaluate {folder}` writes it again",
        ) from error


def _parse(values: Mapping[str, Any]) -> StoredEvaluation:
    classes = tuple(map(str, values["classes"]))
    low, high = values["interval95"]
    return StoredEvaluation(
        data=str(values["data"]),
        split=str(values["split"]),
        examples=int(values["examples"]),
        accuracy=float(values["accuracy"]),
        interval=(float(low), float(high)),
        top5=None if values["top5"] is None else float(values["top5"]),
        loss=float(values["loss"]),
        views=dict(values["views"]),
        classes=classes,
        confusion={
            (_class(true, classes), _class(predicted, classes)): int(count)
            for true, predicted, count in values["confusion"]
        },
        calibration=tuple(ReliabilityBin(**each) for each in values["calibration"]),
        mistakes=tuple(
            PicturedMistake(
                index=int(each["index"]),
                true=str(each["true"]),
                predicted=str(each["predicted"]),
                confidence=float(each["confidence"]),
                png=base64.b64decode(each["png"], validate=True) if each["png"] else None,
            )
            for each in values["mistakes"]
        ),
    )


def _class(number: int, classes: tuple[str, ...]) -> int:
    if not 0 <= number < len(classes):
        raise ValueError(f"there is no class {number}")
    return int(number)
