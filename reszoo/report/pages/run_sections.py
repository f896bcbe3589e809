"""The sections of a page about one run."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reszoo.errors import ReszooError
from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.report.diagram import Subject, draw_network
from reszoo.report.network_summary import STAGE_ALIGN, STAGE_HEADER, cost_lines, stage_rows
from reszoo.report.pages.bundle_sections import exports_section
from reszoo.report.pages.evaluation_sections import evaluation_sections
from reszoo.report.pages.rendering import PageTable, Section, picture_address
from reszoo.report.pages.study_sections import studies_section
from reszoo.report.run_rows import RunRow, run_row
from reszoo.report.run_summary import teacher_texts
from reszoo.report.text import (
    format_accuracy,
    format_command,
    format_interval,
    format_percent,
    format_si,
)
from reszoo.runs import Run

Points = list[tuple[float, float]]


def run_sections(run: Run) -> list[Section]:
    """Returns what the run is, how it trained, how good it is, and how to repeat it.

    A part that cannot be read is a section that says why.
    """
    row = run_row(run.path)
    makers = (
        ("Summary", lambda: [_summary(run, row)]),
        ("Network", lambda: [_network(run)]),
        ("Training", lambda: [_training(run)]),
        ("Accuracy", lambda: evaluation_sections(run)),
        ("Studies", lambda: [studies_section(run)]),
        ("Exports", lambda: [exports_section(run)]),
        ("How to repeat it", lambda: [_repeat(run)]),
    )
    return [section for title, make in makers for section in _or_problem(title, make)]


def _or_problem(title: str, make: Any) -> list[Section]:
    try:
        sections: list[Section] = make()
        return sections
    except ReszooError as error:
        return [Section(title, "problem.html", {"what": error.what, "hint": error.hint})]
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        what = f"this part of the run is damaged: {type(error).__name__}: {error}"
        return [Section(title, "problem.html", {"what": what, "hint": None})]


def _summary(run: Run, row: RunRow) -> Section:
    numbers = [("state", row.state)]
    if row.accuracy is not None:
        label = f"{row.split} accuracy"
        numbers.append((label, format_percent(row.accuracy)))
        if row.interval is not None:
            numbers.append(("95 % interval", format_interval(row.interval)))
    if row.parameters is not None and row.macs is not None:
        numbers.append(("parameters", format_si(row.parameters)))
        numbers.append(("multiply-adds", format_si(row.macs)))
    if row.epochs is not None:
        numbers.append(("epochs", f"{row.epochs} of {row.planned_epochs}"))
    if row.minutes is not None:
        numbers.append(("minutes", f"{row.minutes:.1f}"))
    hint = None
    if row.state in ("interrupted", "running", "failed"):
        hint = format_command("resume", run.path)
    words = [word for word in (row.network, f"on {row.data}", f"by {row.recipe}") if word]
    values = {
        "numbers": numbers,
        "words": " ".join(words),
        "problem": row.problem,
        "state": row.state,
        "hint": hint,
    }
    return Section("Summary", "summary.html", values)


def _network(run: Run) -> Section:
    architecture = run.architecture()
    planned = plan(architecture)
    title = architecture.title or architecture.name
    values = {
        "title": title,
        "source": architecture.source,
        "diagram": picture_address(draw_network(Subject(planned, title)).svg().encode(), "svg+xml"),
        "stages": PageTable(STAGE_HEADER, stage_rows(planned), STAGE_ALIGN),
        "facts": cost_lines(architecture, cost(planned)),
    }
    return Section("Network", "network.html", values)


def _training(run: Run) -> Section:
    from reszoo.report.pages.static_figures import curves_figure

    epochs = [line for line in run.metrics() if line.get("kind", "epoch") == "epoch"]
    series = {
        "Loss": {"training": _points(epochs, "loss"), "validation": _points(epochs, "val_loss")},
        "Accuracy": {
            "training": _points(epochs, "accuracy"),
            "validation": _points(epochs, "val_accuracy"),
        },
        "Learning rate": {"learning rate": _points(epochs, "learning_rate")},
        "Throughput, images per second": {"images per second": _throughput(run, epochs)},
    }
    figures = []
    for title, curves in series.items():
        if filled := {name: points for name, points in curves.items() if points}:
            figures.append(curves_figure(title, filled, percent=title == "Accuracy"))
    return Section(
        "Training",
        "training.html",
        {
            "facts": list(_training_facts(run)),
            "figures": figures,
            "epochs": _epochs_table(epochs),
            "command": format_command("resume", run.path),
        },
    )


def _points(lines: Sequence[Mapping[str, Any]], key: str) -> Points:
    return [(float(line["epoch"]), float(line[key])) for line in lines if line.get(key) is not None]


def _throughput(run: Run, epochs: Sequence[Mapping[str, Any]]) -> Points:
    batch = run.recipe().batch
    seconds = {line.get("epoch"): float(line.get("seconds") or 0) for line in run.timing()}
    steps = itertools.chain([0], (int(line["step"]) for line in epochs))
    return [
        (float(line["epoch"]), (int(line["step"]) - before) * batch / seconds[line["epoch"]])
        for before, line in zip(steps, epochs, strict=False)
        if seconds.get(line["epoch"])
    ]


def _training_facts(run: Run) -> Iterator[tuple[str, str]]:
    info, data, recipe = run.info, run.data(), run.recipe()
    yield "recipe", f"{recipe.name}{f': {recipe.title}' if recipe.title else ''}"
    splits = ", ".join(f"{name} {count:,}" for name, count in data.get("splits", {}).items())
    yield "data", f"{data.get('name')}: {splits}" if splits else str(data.get("name"))
    held_out = (data.get("validation") or {}).get("images")
    if held_out:
        yield "held out", f"{held_out:,} images of the training split"
    if start := info.get("start"):
        yield "initial weights", str(start.get("source"))
    for teacher in teacher_texts(run):
        yield "teacher", teacher
    best = info.get("best") or {}
    if "val_accuracy" in best:
        epoch = f", epoch {best['epoch']}" if "epoch" in best else ""
        yield "best validation accuracy", f"{format_percent(best['val_accuracy'])}{epoch}"
    if (tested := info.get("test_accuracy")) is not None:
        yield "test accuracy", format_accuracy(tested, info["test_interval95"])
    devices = ", ".join(map(str, info.get("devices") or ()))
    yield "devices", f"{info.get('strategy', '-')}: {devices or '-'}, {info.get('precision', '-')}"


def _epochs_table(epochs: Sequence[Mapping[str, Any]]) -> PageTable | None:
    if not epochs:
        return None
    keys = [key for key in epochs[-1] if key != "kind"]
    rows = [[_number(line.get(key)) for key in keys] for line in epochs]
    return PageTable([key.replace("_", " ") for key in keys], rows, "r" * len(keys))


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str("-" if value is None else value)


def _repeat(run: Run) -> Section:
    info = run.info
    command = info.get("command")
    machine = info.get("machine") or {}
    values = {
        "command": shlex.join(map(str, command)) if isinstance(command, list) else None,
        "note": info.get("command_note"),
        "facts": [
            ("seed", str(info.get("seed", "-"))),
            ("folder", str(run.path)),
            ("created", str(info.get("created", "-"))),
            ("machine", ", ".join(f"{machine[key]}" for key in machine if key != "host") or "-"),
        ],
        "versions": [(str(name), str(version)) for name, version in info["versions"].items()]
        if info.get("versions")
        else [],
    }
    return Section("How to repeat it", "repeat.html", values)
