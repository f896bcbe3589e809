"""How is a search told: its space before, each training as it comes, the table at the end?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reszoo.report.text import MISSING, command, count, facts, percent, short, size, table

if TYPE_CHECKING:
    from reszoo.tuning import Event, Example, Preview, SearchResult, TrialRecord

_MEASURES = {
    "parameters": ("parameters", count),
    "macs": ("multiply-adds", short),
    "weight_bytes_int8": ("int8 weights", size),
    "peak_activation_bytes": ("int8 activations", size),
}
"""Each limit of a search: its name for a person, and how its amounts are written."""


def preview_text(preview: Preview) -> str:
    """The space, what it costs, and how long it will train."""
    sections = [
        _heading(preview),
        table(
            ("field", "values"),
            [(one.name, ", ".join(map(str, one.labels))) for one in preview.dimensions],
            "ll",
        ),
        _costs(preview),
        _budget(preview),
    ]
    return "\n\n".join(sections)


def event_text(event: Event) -> str | None:
    """A line for a training that ended or was recalled; None for one that begins."""
    if event.row is None:
        return None
    row = event.row
    reached = "failed" if row.val_accuracy is None else percent(row.val_accuracy)
    before = " (from before)" if event.kind == "recalled" else ""
    best = "" if event.best is None else f"  best: {_accuracy(event.best)}"
    return (
        f"{event.done}/{event.planned}  trial {row.trial}, {row.epochs} epochs: {reached}"
        f"{before}  {changes_text(row.changes)}{best}"
    )


def result_text(result: SearchResult) -> str:
    """Every trial, best first, and what to do with the best."""
    rows = [_trial(row) for row in result.trials]
    header = ("trial", "epochs", "validation", "parameters", "multiply-adds", "what was changed")
    lines = [
        (
            "best",
            f"trial {result.best.trial}, {_accuracy(result.best)} on held out training images",
        ),
        ("its spec", str(result.best_path)),
        ("its run", str(result.best_run)),
        ("next", command("train", result.best_path)),
    ]
    turned_away = ", ".join(f"{count(many)} by {name}" for name, many in result.rejected.items())
    if turned_away:
        lines.insert(1, ("turned away", f"{turned_away}, before any training"))
    if len(result.rows) < result.planned:
        space = f"the space was used up after {len(result.rows)} of {result.planned} trainings"
        lines.append(("note", space))
    return f"{table(header, rows, 'rrrrrl')}\n\n{facts(lines)}"


def changes_text(changes: Mapping[str, Any]) -> str:
    """`stages[*].depth=2; stages[*].width=16`: each searched field and its value."""
    return "; ".join(f"{path}={_word(value)}" for path, value in changes.items())


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def _trial(row: TrialRecord) -> tuple[str, ...]:
    return (
        str(row.trial),
        str(row.epochs),
        "failed" if row.val_accuracy is None else percent(row.val_accuracy),
        count(row.cost["parameters"]),
        short(row.cost["macs"]),
        changes_text(row.changes) or "nothing: the base",
    )


def _accuracy(row: TrialRecord) -> str:
    return MISSING if row.val_accuracy is None else percent(row.val_accuracy)


def _heading(preview: Preview) -> str:
    search = preview.search
    title = f"{search.name}: {search.title}" if search.title else search.name
    many = "all of them weighed" if preview.exact else f"{count(preview.examined)} of them weighed"
    share = count(preview.feasible_candidates)
    lines = [
        ("base", f"{preview.base}, trained by the recipe {preview.recipe}"),
        ("candidates", f"{count(preview.candidates)}, {many}"),
        ("within the limits", share if preview.exact else f"about {share}"),
    ]
    for name, many_turned in preview.objections.items():
        label, _ = _MEASURES.get(name, (name, str))
        lines.append((f"  turned away: {label}", count(many_turned)))
    return f"{title}\n{facts(lines)}"


def _costs(preview: Preview) -> str:
    rows = []
    for name, (label, write) in _MEASURES.items():
        least, most = preview.ranges[name]
        limit = getattr(preview.search.limits, name)
        rows.append(
            (label, write(least), write(most), MISSING if limit is None else write(int(limit)))
        )
    examples = [
        ("smallest", _example(preview.smallest)),
        ("largest", _example(preview.largest)),
    ]
    return f"{table(('cost', 'least', 'most', 'limit'), rows, 'lrrr')}\n\n{facts(examples)}"


def _example(example: Example) -> str:
    return f"{count(example.cost.parameters)} parameters: {changes_text(example.changes)}"


def _budget(preview: Preview) -> str:
    rows = [
        (
            str(rung.bracket),
            str(rung.round),
            count(rung.candidates),
            str(rung.from_epoch),
            str(rung.to_epoch),
        )
        for rung in preview.rungs
    ]
    header = ("bracket", "round", "candidates", "from epoch", "to epoch")
    lines = [
        (
            "trains",
            f"{count(preview.total_epochs)} epochs in all, of a schedule of {preview.max_epochs}",
        )
    ]
    if preview.iterations > 1:
        lines.append(("iterations", f"{preview.iterations} times the table"))
    if preview.start_from:
        lines.append(("tries first", "; ".join(map(changes_text, preview.start_from))))
    if preview.runs_out:
        lines.append(("note", "the space holds fewer networks than that; all of them are tried"))
    return f"{table(header, rows, 'rrrrr')}\n\n{facts(lines)}"
