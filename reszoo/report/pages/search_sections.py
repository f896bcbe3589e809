"""The sections of a page about a search: trials, front, importances, map."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo.errors import GateError, ReszooError
from reszoo.report.pages.charts import add_chart, cost_chart
from reszoo.report.pages.rendering import Cell, PageTable, Section
from reszoo.report.run_rows import pareto_front
from reszoo.report.text import MISSING, format_bytes, format_interval, format_percent, format_si
from reszoo.report.trial_rows import (
    FEWEST_TRIALS,
    TrialRow,
    importances,
    levels,
    search_identity,
    trial_rows,
)

if TYPE_CHECKING:
    from reszoo.tuning import SearchResult

_OBJECTIVES = {"val_accuracy": "validation accuracy"}
_COSTS: dict[str, tuple[str, Callable[[float], str]]] = {
    "parameters": ("parameters", format_si),
    "macs": ("multiply-adds", format_si),
    "weight_bytes_int8": ("int8 weights", lambda value: format_bytes(int(value))),
    "peak_activation_bytes": ("int8 activations", lambda value: format_bytes(int(value))),
    "arena_bytes": ("arena", lambda value: format_bytes(int(value))),
    "latency_ms": ("CPU milliseconds", "{:.3g}".format),
}
_MOST_MAPPED = 12
"""Values of a field, above which there is no map of it."""


def search_sections(path: Path, charts: dict[str, Any]) -> list[Section]:
    """Returns what a search tried and found; adds its charts to `charts`."""
    title = f"Search {path.resolve().name}"
    try:
        identity, rows = search_identity(path), trial_rows(path)
        references = trial_rows(path, "reference")
        result = _result(path)
    except ReszooError as error:
        return [Section(title, "problem.html", {"what": error.what, "hint": error.hint})]
    values = {
        "facts": _facts(identity, rows, result),
        "table": _table([*rows, *references], result),
    }
    sections = [Section(title, "search.html", values)]
    finished = [row for row in rows if row.val_accuracy is not None]
    if finished:
        shown = [row for row in references if row.val_accuracy is not None]
        sections.append(_front(path, finished, shown, charts))
        sections.append(_fields(finished))
    return sections


def _result(path: Path) -> SearchResult | None:
    """Returns the result so far; None before the first training has finished."""
    from reszoo.tuning.search_result import read_result

    try:
        return read_result(path)
    except GateError:
        return None


def _facts(
    identity: Mapping[str, Any], rows: Sequence[TrialRow], result: SearchResult | None
) -> list[tuple[str, str]]:
    data = identity.get("data") or {}
    strategy = identity.get("strategy") or ["-"]
    limits = identity.get("limits") or {}
    failed = sum(row.val_accuracy is None for row in rows)
    facts = [
        ("data", str(data.get("name", MISSING))),
        ("strategy", str(strategy[0])),
        ("limits", ", ".join(f"{_cost_name(k)} {v}" for k, v in limits.items()) or "none"),
        ("trials", f"{len(rows)}" + (f", of which {failed} failed" if failed else "")),
    ]
    if result is not None:
        facts += _found(result)
    return facts


def _found(result: SearchResult) -> Iterator[tuple[str, str]]:
    """Yields what the search has chosen, and by what."""
    best, goals = result.best, result.search.goals
    if len(goals) > 1:
        named = [
            f"{_OBJECTIVES.get(name) or _cost_name(name)} ({direction})"
            for name, direction in goals.items()
        ]
        yield "objectives", ", ".join(named)
    accuracy = f"{format_percent(best.val_accuracy)} on held-out training images"
    if (mean := result.means.get(best.trial)) is not None:
        accuracy += f", {format_percent(mean)} on average over all seeds"
    yield "best", f"trial {best.trial}, {accuracy}"
    yield "its spec", str(result.best_path)
    if front := result.front:
        trials = ", ".join(str(record.trial) for record in front)
        yield "front of all objectives", f"trials {trials}; specs in {result.path / 'pareto'}"


def _table(rows: Sequence[TrialRow], result: SearchResult | None) -> PageTable:
    """Returns the trials, then the references."""
    means = result.means if result else {}
    judged = result if result and result.held_out_images else None
    costs = [name for name in _COSTS if any(name in row.cost for row in rows)]
    header = (
        *("trial", "epochs", "validation"),
        *(["95 % interval"] if judged else []),
        *(["mean of seeds"] if means else []),
        *(_COSTS[name][0] for name in costs),
        "changes",
    )
    cells = [
        [
            Cell(row.label, None if row.reference else row.trial),
            Cell(str(row.epochs), row.epochs),
            Cell(
                "failed" if row.val_accuracy is None else format_percent(row.val_accuracy),
                row.val_accuracy,
                row.message,
            ),
            *([_interval_cell(row, judged)] if judged else []),
            *([_mean_cell(row, means)] if means else []),
            *(_cost_cell(row, name) for name in costs),
            row.changes_text,
        ]
        for row in rows
    ]
    return PageTable(header, cells, "r" * (len(header) - 1) + "l")


def _interval_cell(row: TrialRow, result: SearchResult) -> Cell:
    interval = result.interval(row.val_accuracy)
    return Cell(MISSING) if interval is None else Cell(format_interval(interval), interval[0])


def _mean_cell(row: TrialRow, means: Mapping[int, float]) -> Cell:
    mean = None if row.reference else means.get(row.trial)
    return Cell(MISSING if mean is None else format_percent(mean), mean)


def _cost_cell(row: TrialRow, name: str) -> Cell:
    value = row.cost.get(name)
    return Cell(MISSING if value is None else _COSTS[name][1](value), value)


def _cost_name(name: str) -> str:
    return _COSTS[name][0] if name in _COSTS else name


def _front(
    path: Path,
    rows: Sequence[TrialRow],
    references: Sequence[TrialRow],
    charts: dict[str, Any],
) -> Section:
    """Returns accuracy against each cost, of the trials and of the references."""
    longest = max(row.epochs for row in rows)
    compared = [row for row in rows if row.epochs == longest]
    points = [_point(row, "trials") for row in compared]
    compared_to = [_point(row, "references") for row in references]
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    drawn, fronts = [], []
    for name in compared[0].cost:
        cost = _cost_name(name)
        known = [point for point in points if point.get(cost) is not None]
        if not known:
            continue
        front = [known[i] for i in pareto_front([(p[cost], p["accuracy"]) for p in known])]
        for point in points:
            point[f"front_{cost}"] = point in front
        chart = f"chart-{digest}-{name}"
        hover = ("trial", "validation", cost, "changes")
        drawn_points = [*points, *compared_to]
        spec = cost_chart(drawn_points, cost, cost, hover, accuracy="validation accuracy")
        add_chart(charts, chart, spec, drawn_points)
        drawn.append((chart, f"Validation accuracy against {cost}"))
        fronts.append((cost, [f"trial {point['trial']}" for point in front]))
    return Section(
        "Front", "search_front.html", {"charts": drawn, "fronts": fronts, "epochs": longest}
    )


def _point(row: TrialRow, group: str) -> dict[str, Any]:
    return {
        "trial": row.label,
        "accuracy": row.val_accuracy,
        "validation": format_percent(row.val_accuracy),
        "changes": row.changes_text,
        "group": group,
        **{_cost_name(name): value for name, value in row.cost.items()},
    }


def _fields(rows: Sequence[TrialRow]) -> Section:
    from reszoo.report.pages.static_figures import bars_figure, heat_map_figure

    longest = max(row.epochs for row in rows)
    compared = [row for row in rows if row.epochs == longest]
    shares = importances(compared)
    figures = []
    if shares:
        figures.append(
            bars_figure(
                "Importances", list(shares), list(shares.values()), "loss of R² when shuffled"
            )
        )
    mapped = [field for field in shares if len(levels(compared, field)) <= _MOST_MAPPED][:2]
    if len(mapped) == 2:
        down, across = mapped
        rows_of, columns = levels(compared, down), levels(compared, across)
        best: dict[tuple[int, int], float] = {}
        for row in compared:
            place = (rows_of.index(row.changes[down]), columns.index(row.changes[across]))
            best[place] = max(best.get(place, 0.0), row.val_accuracy or 0.0)
        figures.append(heat_map_figure(best, rows_of, columns, row_title=down, column_title=across))
    values = {"figures": figures, "trials": len(compared), "fewest": FEWEST_TRIALS}
    return Section("Searched fields", "search_fields.html", values)
