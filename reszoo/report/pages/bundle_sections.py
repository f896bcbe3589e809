"""Bundles on a page: the exports of a run, and one bundle by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reszoo.errors import ReszooError
from reszoo.report.exported_files import ExportedBundle, bundles_of, card_text, read_bundle
from reszoo.report.pages.rendering import Cell, PageTable, Section
from reszoo.report.text import MISSING, format_bytes, format_command, format_percent
from reszoo.runs import Run
from reszoo.tflite.contract_file import find_tflite

_HEADER = (
    *("target", "file", "size", "arithmetic", "accuracy", "Keras", "same class"),
    *("largest difference", "latency", "arena", "gate"),
)


def exports_section(run: Run) -> Section:
    """Returns the table of a run's exports, or the command that makes one."""
    bundles = bundles_of(run.path)
    rows = [row for bundle in bundles for row in _rows(bundle)]
    machines = {
        file.latency_on
        for bundle in bundles
        for file in bundle.files
        if file.latency_on is not None
    }
    values = {
        "table": PageTable(_HEADER, rows, "llrlrrrrrrl") if rows else None,
        "broken": [(str(each.path), each.problem) for each in bundles if each.problem],
        "machines": sorted(machines),
        "command": format_command("export", run.path, "--target", "mobile-int8"),
    }
    return Section("Exports", "exports.html", values)


def bundle_sections(path: Path) -> list[Section]:
    """Returns the card of a bundle, its files, its operators and its arena over time."""
    bundle = read_bundle(path)
    title = f"Bundle {path.resolve().name}"
    if bundle.problem is not None:
        problem = {"what": bundle.problem, "hint": "export the network again"}
        return [Section(title, "problem.html", problem)]
    try:
        card, note = card_text(path), None
    except ReszooError as error:
        card, note = "", error.what
    rows = _rows(bundle)
    machines = sorted({file.latency_on for file in bundle.files if file.latency_on is not None})
    table = PageTable(_HEADER, rows, "llrlrrrrrrl")
    files = {"table": table, "broken": [], "machines": machines, "command": None}
    sections = [
        Section(title, "card.html", {"card": card, "note": note}),
        Section("Files and parity", "exports.html", files),
    ]
    if (file := find_tflite(path)) is not None:
        sections.append(_operators(file))
    return sections


def _rows(bundle: ExportedBundle) -> list[list[Any]]:
    return [
        [
            bundle.target,
            file.path,
            Cell(format_bytes(file.bytes), file.bytes),
            file.arithmetic,
            Cell(format_percent(file.accuracy), file.accuracy),
            Cell(format_percent(file.keras_accuracy), file.keras_accuracy),
            Cell(format_percent(file.agreement), file.agreement),
            MISSING if file.difference is None else f"{file.difference:.2g}",
            MISSING if file.latency_ms is None else f"{file.latency_ms:g} ms",
            MISSING if file.arena_bytes is None else format_bytes(file.arena_bytes),
            bundle.gate,
        ]
        for file in bundle.files
    ]


def _operators(file: Path) -> Section:
    """Returns operators and memory of a `.tflite`; one that cannot be read says why."""
    from reszoo.report.pages.static_figures import arena_figure
    from reszoo.tflite.inspection import inspect_file

    try:
        inspection = inspect_file(file)
    except ReszooError as error:
        problem = {"what": error.what, "hint": error.hint}
        return Section("Operators and arena", "problem.html", problem)
    uses = Counter(
        (
            use.name,
            use.precision,
            ", ".join(map(_shape, use.inputs)),
            ", ".join(map(_shape, use.outputs)),
        )
        for use in inspection.operators
    )
    rows = [
        [name, Cell(str(n), n), precision, ins, outs]
        for (name, precision, ins, outs), n in uses.items()
    ]
    live = inspection.live_bytes[1:]
    peak = max(live, default=0)
    arena = inspection.arena
    facts = [("weights", format_bytes(inspection.model.weight_bytes))]
    if arena is not None:
        facts.append(("arena", f"{format_bytes(arena.bytes)} in TFLite-Micro"))
        facts.append(("feature maps", format_bytes(arena.feature_map_bytes)))
    values = {
        "facts": facts,
        "operators": PageTable(("operator", "count", "precision", "in", "out"), rows, "lrlll"),
        "figure": arena_figure(live, format_bytes(peak)) if peak else None,
    }
    return Section("Operators and arena", "operators.html", values)


def _shape(sides: Sequence[int]) -> str:
    return "x".join("?" if side < 0 else str(side) for side in sides) or "1"
