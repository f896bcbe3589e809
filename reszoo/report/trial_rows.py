"""Trials of a search as rows of a table, and which searched fields mattered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.errors import UserError
from reszoo.json_text import parse_json
from reszoo.report.search_summary import changes_text
from reszoo.runs.jsonl import read_valid_lines

FEWEST_TRIALS = 8
"""Finished trials below which importances say nothing."""
_TREES, _REPEATS = 100, 20


@dataclass(frozen=True, slots=True)
class TrialRow:
    """The last line of a trial in trials.jsonl."""

    trial: int
    state: str
    epochs: int
    val_accuracy: float | None
    changes: Mapping[str, str]
    """Each searched field and its value as text."""
    numbers: Mapping[str, float | None]
    """The values that are numbers."""
    cost: Mapping[str, float]
    message: str | None = None
    reference: str | None = None
    """The name of the network, if the search trained it for comparison alone."""

    @property
    def label(self) -> str:
        """What it is called in tables: the number of the trial, or the name of the reference."""
        return self.reference or str(self.trial)

    @property
    def changes_text(self) -> str:
        """Its values of the searched fields, on one line."""
        return changes_text(self.changes) or ("outside the space" if self.reference else "the base")


def trial_rows(folder: Path, kind: str = "trial") -> list[TrialRow]:
    """Returns the trials (or the `reference`s) of a search, best first, failed ones last.

    As a search does, those trained longest are compared.

    Raises:
      UserError: a line has other fields than a trial.
    """
    path = folder / "trials.jsonl"
    last: dict[int, TrialRow] = {}
    try:
        for line in read_valid_lines(path):
            if line.get("kind", "trial") == kind:
                row = _row(line)
                last[row.trial] = row
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is damaged",
            found=f"{type(error).__name__}: {error}",
            hint="delete the line that has other fields",
        ) from error
    return sorted(last.values(), key=_rank)


def search_identity(folder: Path) -> dict[str, Any]:
    """Returns search.json.

    Raises:
      UserError: it is damaged.
    """
    path = folder / "search.json"
    try:
        return dict(parse_json(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} is damaged", found=str(error), hint="copy the folder of the search again"
        ) from error


def importances(rows: Sequence[TrialRow]) -> dict[str, float]:
    """Returns how much each searched field explains of the accuracies, largest first.

    Permutation importances of a random forest (Breiman 2001): the loss of explained variance when
    a field's values are shuffled among the trials. Empty below `FEWEST_TRIALS` finished trials and
    where nothing varies.
    """
    finished = [row for row in rows if row.val_accuracy is not None]
    fields = [
        field for field in _fields(finished) if len({r.changes.get(field) for r in finished}) > 1
    ]
    accuracies = [row.val_accuracy for row in finished]
    if len(finished) < FEWEST_TRIALS or not fields or len(set(accuracies)) < 2:
        return {}
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    table = [[_level(finished, row, field) for field in fields] for row in finished]
    forest = RandomForestRegressor(_TREES, random_state=0).fit(table, accuracies)
    shuffled = permutation_importance(forest, table, accuracies, n_repeats=_REPEATS, random_state=0)
    values = dict(zip(fields, map(float, shuffled.importances_mean), strict=True))
    return dict(sorted(values.items(), key=lambda item: -item[1]))


def levels(rows: Sequence[TrialRow], field: str) -> list[str]:
    """Returns the values of a field that were tried, in their order."""
    values = {row.changes[field]: row.numbers.get(field) for row in rows if field in row.changes}
    return sorted(values, key=lambda text: (values[text] is None, values[text] or 0.0, text))


def _level(rows: Sequence[TrialRow], row: TrialRow, field: str) -> float:
    number = row.numbers.get(field)
    if number is not None:
        return number
    value = row.changes.get(field)
    return float(levels(rows, field).index(value)) if value is not None else -1.0


def _fields(rows: Sequence[TrialRow]) -> list[str]:
    return list(dict.fromkeys(field for row in rows for field in row.changes))


def _row(line: Mapping[str, Any]) -> TrialRow:
    accuracy = line["val_accuracy"]
    changes = dict(line["changes"])
    return TrialRow(
        trial=int(line["trial"]),
        state=str(line["state"]),
        epochs=int(line["epochs"]),
        val_accuracy=None if accuracy is None else float(accuracy),
        changes={str(field): _text(value) for field, value in changes.items()},
        numbers={
            str(field): float(value)
            if isinstance(value, int | float) and not isinstance(value, bool)
            else None
            for field, value in changes.items()
        },
        cost={str(name): float(amount) for name, amount in line["cost"].items()},
        message=line.get("message"),
        reference=line.get("reference"),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _rank(row: TrialRow) -> tuple[Any, ...]:
    failed = row.val_accuracy is None
    return (failed, -row.epochs, -(row.val_accuracy or 0.0), row.cost.get("macs", 0), row.trial)
