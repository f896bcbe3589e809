"""The mistakes of an evaluation with their images, in a table or on a sheet of pictures."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reszoo.atomic_files import atomic_file, write_text
from reszoo.counted import counted
from reszoo.data import Split
from reszoo.data.images.decoding import SixteenBit
from reszoo.errors import UserError
from reszoo.inference.mistake_sheet import Caption, mistake_sheet
from reszoo.inference.reliability import Mistake
from reszoo.inference.thumbnails import pictures, thumbnails

if TYPE_CHECKING:
    from reszoo.inference.metrics import Evaluation

PICTURED = 25
"""Mistakes that an evaluation keeps with their pictures."""
ON_SHEET = 48
"""Mistakes on a sheet, in six rows."""


def find_images(
    mistakes: Sequence[Mistake], examples: Split, sixteen_bit: SixteenBit = None
) -> tuple[Mistake, ...]:
    """Returns the mistakes with the paths of their images, and the first with small pictures.

    Args:
      mistakes: those of an evaluation, most confident first.
      examples: the split that was evaluated.
      sixteen_bit: how the network sees 16-bit grey.
    """
    indices = [mistake.index for mistake in mistakes]
    paths = examples.source.paths(examples.indices[np.asarray(indices, np.int64)])
    pngs = thumbnails(examples, indices[:PICTURED], sixteen_bit)
    return tuple(
        replace(mistake, path=paths[rank] if paths else None, png=next(pngs, None))
        for rank, mistake in enumerate(mistakes)
    )


def check_mistakes_file(path: Path | str) -> None:
    """Raises a `UserError` unless the path ends in .csv or .png."""
    if Path(path).suffix.lower() not in (".csv", ".png"):
        table = Path(path).parent / f"{Path(path).stem or 'mistakes'}.csv"
        raise UserError(
            f"cannot write mistakes into {path}",
            expected="a file name that ends in .csv (a table) or .png (a sheet of pictures)",
            found=Path(path).suffix or "no suffix",
            hint=f"write --mistakes {shlex.quote(str(table))}",
        )


def write_mistakes(
    path: Path | str, evaluation: Evaluation, examples: Split, sixteen_bit: SixteenBit = None
) -> None:
    """Writes all mistakes into a .csv file, or the most confident ones onto a .png sheet.

    Raises:
      UserError: the path has another suffix.
      MachineError: the file cannot be written.
    """
    check_mistakes_file(path)
    if Path(path).suffix.lower() == ".csv":
        write_text(path, mistakes_csv(evaluation))
        return
    shown = evaluation.mistakes[:ON_SHEET]
    images = pictures(examples, [mistake.index for mistake in shown], sixteen_bit)
    sheet = mistake_sheet(_title(evaluation), images, _captions(evaluation, shown))
    with atomic_file(path) as temporary:
        sheet.save(temporary, "PNG", optimize=True)


def mistakes_csv(evaluation: Evaluation) -> str:
    """Returns a line per mistake with the columns of `reszoo predict --csv`, and the index.

    `picture` is empty where the data are not files; `index` counts in the split, from 0.
    """
    names = [score.name for score in evaluation.classes]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("picture", "index", "class", "probability", "true_class"))
    for each in evaluation.mistakes:
        confidence = f"{each.confidence:.6f}"
        row = (each.path, each.index, names[each.predicted], confidence, names[each.label])
        writer.writerow(row)
    return text.getvalue()


def _title(evaluation: Evaluation) -> str:
    count = len(evaluation.mistakes)
    shown = f", the {ON_SHEET} most confident" if count > ON_SHEET else ""
    examples = counted(evaluation.examples, "image")
    return (
        f"{evaluation.data}, split {evaluation.split}: {counted(count, 'mistake')} on "
        f"{examples}{shown}"
    )


def _captions(evaluation: Evaluation, mistakes: Sequence[Mistake]) -> list[Caption]:
    names = [score.name for score in evaluation.classes]
    return [
        Caption(names[each.predicted], f"{100 * each.confidence:.1f} %", names[each.label])
        for each in mistakes
    ]
