"""The sections of a page about a search: trials, front, importances, map."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reszoo.errors import ReszooError
from reszoo.report.pages.charts import add_chart, cost_chart
from reszoo.report.pages.rendering import Cell, PageTable, Section
from reszoo.report.run_rows import pareto_front
from reszoo.report.text import MISSING, format_bytes, format_percent, format_si
from reszoo.report.trial_rows import (
    FEWEST_TRIALS,
    TrialRow,
    importances,
    levels,
    search_identity,
    trial_rows,
)

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
    except ReszooError as error:
        return [Section(title, "problem.html", {"what": error.what, "hint": error.hint})]
    sections = [Section(title, "search.html", _summary(path, identity, rows))]
    finished = [row for row in rows if row.val_accuracy is not None]
    if finished:
        sections.append(_front(path, finished, charts))
        sections.append(_fields(finished))
    return sections


def _summary(path: Path, identity: Mapping[str, Any], rows: Sequence[TrialRow]) -> dict[str, Any]:
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
    if rows and (best := rows[0]).val_accuracy is not None:
        accuracy = format_percent(best.val_accuracy)
        facts.append(("best", f"trial {best.trial}, {accuracy} on held-out training images"))
        facts.append(("its spec", str(path / "best.yaml")))
    costs = [name for name in _COSTS if any(name in row.cost for row in rows)]
    header = ("trial", "epochs", "validation", *(_COSTS[name][0] for name in costs), "changes")
    table = [
        [
            Cell(str(row.trial), row.trial),
            Cell(str(row.epochs), row.epochs),
            Cell(
                "failed" if row.val_accuracy is None else format_percent(row.val_accuracy),
                row.val_accuracy,
                row.message,
            ),
            *(_cost_cell(row, name) for name in costs),
            "; ".join(f"{field}={value}" for field, value in row.changes.items()) or "the base",
        ]
        for row in rows
    ]
    return {"facts": facts, "table": PageTable(header, table, "r" * (3 + len(costs)) + "l")}


def _cost_cell(row: TrialRow, name: str) -> Cell:
    value = row.cost.get(name)
    return Cell(MISSING if value is None else _COSTS[name][1](value), value)


def _cost_name(name: str) -> str:
    return _COSTS[name][0] if name in _COSTS else name


def _front(path: Path, rows: Sequence[TrialRow], charts: dict[str, Any]) -> Section:
    longest = max(row.epochs for row in rows)
    compared = [row for row in rows if row.epochs == longest]
    points: list[dict[str, Any]] = [
        {
            "trial": row.trial,
            "accuracy": row.val_accuracy,
            "validation": format_percent(row.val_accuracy),
            "changes": "; ".join(f"{field}={value}" for field, value in row.changes.items()),
            "group": "trials",
            **{_cost_name(name): value for name, value in row.cost.items()},
        }
        for row in compared
    ]
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
        spec = cost_chart(points, cost, cost, hover, accuracy="validation accuracy")
        add_chart(charts, chart, spec, points)
        drawn.append((chart, f"Validation accuracy against {cost}"))
        fronts.append((cost, [f"trial {point['trial']}" for point in front]))
    return Section(
        "Front", "search_front.html", {"charts": drawn, "fronts": fronts, "epochs": longest}
    )


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
