"""The sections of a page that compares runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reszoo.errors import ReszooError
from reszoo.report.exported_files import bundles_of
from reszoo.report.pages.charts import add_chart, cost_chart, curves_chart
from reszoo.report.pages.rendering import Cell, PageTable, Section
from reszoo.report.run_rows import RunRow, pareto_front, run_row, seed_spreads
from reszoo.report.text import MISSING, format_command, format_interval, format_percent, format_si
from reszoo.runs import Run

_SHOWN_AT_FIRST = 8
_POINTS = 60
"""Points of a curve at most: the page of 200 runs opens in a second."""
_METRICS = {
    "val_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
    "val_loss": "validation loss",
    "loss": "training loss",
}
_HEADER = (
    *("run", "network", "data", "recipe", "accuracy", "95 % interval", "split", "parameters"),
    *("multiply-adds", "epochs", "minutes", "seed", "state"),
)
_ALIGN = "llllrrlrrrrrl"


def comparison_sections(paths: Sequence[Path], charts: dict[str, Any]) -> list[Section]:
    """Returns the leaderboard, curves, costs, seeds and broken runs; adds charts to `charts`."""
    rows = sorted(map(run_row, paths), key=_rank)
    labels = _labels(rows)
    curves = _curves(rows, labels)
    drawn = list(dict.fromkeys(line["run"] for line in curves))
    sections = [_board(rows, labels, drawn)]
    if curves:
        metrics = {key: title for key, title in _METRICS.items() if any(key in c for c in curves)}
        longest = max(line["epoch"] or 1 for line in curves)
        chart = curves_chart(metrics, drawn[:_SHOWN_AT_FIRST], longest)
        add_chart(charts, "chart-curves", chart, curves)
        sections.append(Section("Curves", "curves.html", {}))
    sections += [_costs(rows, labels, charts), *_exports(rows, labels, charts)]
    if spreads := seed_spreads(rows):
        sections.append(_seeds(spreads))
    if broken := [row for row in rows if row.is_broken]:
        listed = [(str(row.path), row.problem) for row in broken]
        sections.append(Section("Broken runs", "broken.html", {"runs": listed}))
    return sections


def _rank(row: RunRow) -> tuple[Any, ...]:
    """Orders rows: best accuracy first, then without accuracy, then broken ones."""
    return (row.is_broken, row.accuracy is None, -(row.accuracy or 0.0), row.name, str(row.path))


def _labels(rows: Iterable[RunRow]) -> dict[Path, str]:
    """Returns the name of each run, or its path where a name occurs twice."""
    names = Counter(row.name for row in rows)
    return {row.path: row.name if names[row.name] == 1 else str(row.path) for row in rows}


def _board(rows: Sequence[RunRow], labels: dict[Path, str], drawn: Sequence[str]) -> Section:
    """Returns the leaderboard; runs with curves have boxes, of which the first are ticked."""
    cells = [_cells(row, labels[row.path], drawn) for row in rows]
    return Section("Runs", "leaderboard.html", {"table": PageTable(_HEADER, cells, _ALIGN)})


def _cells(row: RunRow, label: str, drawn: Sequence[str]) -> list[Any]:
    chosen = label in drawn[:_SHOWN_AT_FIRST] if label in drawn else None
    interval = row.interval and format_interval(row.interval)
    return [
        Cell(label, title=row.spec, is_chosen=chosen),
        row.network,
        row.data,
        row.recipe,
        Cell(format_percent(row.accuracy), row.accuracy),
        Cell(interval or MISSING, row.interval and row.interval[0]),
        row.split,
        Cell(MISSING if row.parameters is None else f"{row.parameters:,}", row.parameters),
        Cell(MISSING if row.macs is None else format_si(row.macs), row.macs),
        Cell(MISSING if row.epochs is None else str(row.epochs), row.epochs),
        Cell(MISSING if row.minutes is None else f"{row.minutes:.1f}", row.minutes),
        row.seed,
        Cell(row.state, title=row.problem, is_bad=row.is_broken),
    ]


def _curves(rows: Sequence[RunRow], labels: dict[Path, str]) -> list[dict[str, Any]]:
    lines = []
    for row in rows:
        try:
            metrics = [] if row.is_broken else Run.open(row.path).metrics()
        except ReszooError:
            continue
        epochs = [line for line in metrics if line.get("kind", "epoch") == "epoch"]
        step = -(-len(epochs) // _POINTS) or 1
        for line in [*epochs[:-1:step], *epochs[-1:]]:
            values = {key: _rounded(line[key]) for key in _METRICS if line.get(key) is not None}
            lines.append({"run": labels[row.path], "epoch": line.get("epoch"), **values})
    return lines


def _rounded(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _costs(rows: Sequence[RunRow], labels: dict[Path, str], charts: dict[str, Any]) -> Section:
    points = [
        {
            "run": labels[row.path],
            "network": row.network,
            "spec": row.spec,
            "recipe": row.recipe,
            "seed": row.seed,
            "accuracy": row.accuracy,
            "shown accuracy": f"{format_percent(row.accuracy)} ({row.split})",
            "parameters": row.parameters,
            "multiply-adds": row.macs,
            "group": row.data,
        }
        for row in rows
        if row.accuracy is not None
    ]
    costs = {"parameters": "parameters", "multiply-adds": "multiply-adds for one image"}
    hover = ("run", "network", "spec", "recipe", "seed", "shown accuracy", *costs)
    drawn = _add_cost_charts(charts, points, costs, hover)
    fronts = [
        (title, [point["run"] for point in _front(points, cost)]) for cost, title in costs.items()
    ]
    return Section("Accuracy against cost", "costs.html", {"charts": drawn, "fronts": fronts})


def _exports(
    rows: Sequence[RunRow], labels: dict[Path, str], charts: dict[str, Any]
) -> list[Section]:
    points = [
        {
            "run": labels[row.path],
            "network": row.network,
            "spec": row.spec,
            "target": bundle.target,
            "file": file.path,
            "accuracy": file.accuracy,
            "shown accuracy": f"{format_percent(file.accuracy)} ({file.images} images)",
            "bytes": file.bytes,
            "latency": file.latency_ms,
            "group": row.data,
        }
        for row in rows
        if not row.is_broken
        for bundle in bundles_of(row.path)
        for file in bundle.files
        if file.accuracy is not None
    ]
    if not points:
        run = next((row.path for row in rows if row.state == "finished"), None)
        if run is None:
            return []
        command = format_command("export", run, "--target", "mobile-int8")
        values = {"charts": [], "fronts": [], "command": command}
        return [Section("Accuracy of exports", "costs.html", values)]
    costs = {"bytes": "bytes of the file", "latency": "milliseconds on one thread"}
    hover = ("run", "network", "spec", "target", "file", "shown accuracy", *costs)
    drawn = _add_cost_charts(charts, points, costs, hover)
    fronts = [
        (title, [f"{point['run']} ({point['target']})" for point in _front(points, cost)])
        for cost, title in costs.items()
        if any(point[cost] is not None for point in points)
    ]
    return [Section("Accuracy of exports", "costs.html", {"charts": drawn, "fronts": fronts})]


def _add_cost_charts(
    charts: dict[str, Any],
    points: list[dict[str, Any]],
    costs: dict[str, str],
    hover: Sequence[str],
) -> list[tuple[str, str]]:
    """Adds a chart for each cost that is known, and returns their names and descriptions."""
    drawn = []
    for cost, title in costs.items():
        for point in points:
            point[f"front_{cost}"] = False
        for point in _front(points, cost):
            point[f"front_{cost}"] = True
        if any(point[cost] is not None for point in points):
            name = f"chart-{cost}"
            add_chart(charts, name, cost_chart(points, cost, title, hover), points)
            drawn.append((name, f"Accuracy against {title}; the table of runs has the numbers"))
    return drawn


def _front(points: Sequence[dict[str, Any]], cost: str) -> list[dict[str, Any]]:
    """Returns the points that none beats in cost and accuracy, for each data set."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for point in points:
        if point[cost] is not None:
            groups[str(point["group"])].append(point)
    return [
        members[index]
        for members in groups.values()
        for index in pareto_front([(point[cost], point["accuracy"]) for point in members])
    ]


def _seeds(spreads: Sequence[Any]) -> Section:
    rows = [
        [
            spread.network,
            spread.data,
            spread.recipe,
            Cell(str(len(spread.seeds)), len(spread.seeds), ", ".join(map(str, spread.seeds))),
            Cell(format_percent(spread.mean), spread.mean),
            Cell(f"{100 * spread.deviation:.2f}", spread.deviation),
            Cell(format_percent(spread.least), spread.least),
            Cell(format_percent(spread.most), spread.most),
            spread.split,
        ]
        for spread in spreads
    ]
    header = ("network", "data", "recipe", "seeds", "mean", "std, points", "least", "most", "split")
    return Section("Over seeds", "seeds.html", {"table": PageTable(header, rows, "lllrrrrrl")})
