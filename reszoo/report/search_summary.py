"""Summaries of a search: a preview before it, a line per trial, a table at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reszoo.counted import counted
from reszoo.report.text import (
    MISSING,
    facts,
    format_bytes,
    format_command,
    format_percent,
    format_si,
    heading,
    table,
)

if TYPE_CHECKING:
    from reszoo.tuning import Event, Example, Preview, SearchResult, TrialRecord

_MEASURES = {
    "parameters": ("parameters", "{:,}".format),
    "macs": ("multiply-adds", format_si),
    "weight_bytes_int8": ("int8 weights", format_bytes),
    "peak_activation_bytes": ("int8 activations", format_bytes),
}
"""Each limit of a search: its label, and the format of its values."""


def preview_text(preview: Preview) -> str:
    """Returns the space, its costs, the training budget and what is tried first."""
    values = [(axis.name, ", ".join(map(str, axis.labels))) for axis in preview.dimensions]
    fields = table(("field", "values"), values, "ll")
    return "\n\n".join([_candidates(preview), fields, _costs(preview), _budget(preview)])


def event_text(event: Event) -> str | None:
    """Returns a line for a training that ended or was recalled, and for the first that begins."""
    if event.record is None:
        if event.done:
            return None
        job = event.job
        begins = f"0/{event.planned}  trial {job.trial}, {counted(job.epochs, 'epoch')}: begins"
        return f"{begins}  {changes_text(job.changes)}"
    record = event.record
    recalled = " (from before)" if event.kind == "recalled" else ""
    best = "" if event.best is None else f"  best: {format_percent(event.best.val_accuracy)}"
    return (
        f"{event.done}/{event.planned}  trial {record.trial}, "
        f"{counted(record.epochs, 'epoch')}: "
        f"{_outcome(record)}{recalled}  {changes_text(record.changes)}{best}"
    )


def result_text(result: SearchResult) -> str:
    """Returns every trial, best first, and the commands that use the best one."""
    rows = [
        (
            str(record.trial),
            str(record.epochs),
            _outcome(record),
            format(record.cost["parameters"], ","),
            format_si(record.cost["macs"]),
            changes_text(record.changes) or "none (the base)",
        )
        for record in result.trials
    ]
    header = ("trial", "epochs", "validation", "parameters", "multiply-adds", "what was changed")
    best = result.best
    accuracy = f"{format_percent(best.val_accuracy)} on held-out training images"
    lines = [
        ("best", f"trial {best.trial}, {accuracy}"),
        ("its spec", str(result.best_path)),
        ("its run", str(result.best_run)),
        ("next", _train_command(result)),
    ]
    if result.rejected:
        counts = ", ".join(f"{number:,} by {name}" for name, number in result.rejected.items())
        lines.insert(1, ("rejected", f"{counts}, before any training"))
    if len(result.records) < result.planned:
        trained = f"{len(result.records)} of {result.planned} trainings"
        lines.append(("note", f"after {trained}, no other candidate that fits was found"))
    return f"{table(header, rows, 'rrrrrl')}\n\n{facts(lines)}"


def _train_command(result: SearchResult) -> str:
    """Returns the command that trains the best network for all epochs of its recipe."""
    words = ["train", str(result.best_path), "--data", result.data]
    words += ["--recipe", str(result.recipe_path), "--seed", str(result.search.seed)]
    return format_command(*words, *(["--skip-bad-images"] if result.skip_bad_images else []))


def changes_text(changes: Mapping[str, Any]) -> str:
    """Returns each searched field with its value: `stages[*].depth=2; stages[*].width=16`."""
    return "; ".join(f"{path}={_compact(value)}" for path, value in changes.items())


def _compact(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


def _outcome(record: TrialRecord) -> str:
    return "failed" if record.val_accuracy is None else format_percent(record.val_accuracy)


def _candidates(preview: Preview) -> str:
    examined = "all" if preview.exact else f"{preview.examined:,} of them"
    feasible = f"{preview.feasible_candidates:,}"
    if not preview.exact:
        feasible = f"{preview.feasible:,} of {preview.examined:,} drawn, so about {feasible}"
    lines = [
        ("base", f"{preview.base}, trained by the recipe {preview.recipe}"),
        ("candidates", f"{preview.candidates:,}, {examined} examined"),
        ("within the limits", feasible),
    ]
    for name, number in preview.violations.items():
        label, _ = _MEASURES.get(name, (name, str))
        lines.append((f"  rejected: {label}", f"{number:,}"))
    return f"{heading(preview.search.name, preview.search.title)}\n{facts(lines)}"


def _costs(preview: Preview) -> str:
    rows = []
    for name, (label, write) in _MEASURES.items():
        limit = getattr(preview.search.limits, name)
        ends = limit if isinstance(limit, tuple) else (limit,)
        shown = MISSING if limit is None else " to ".join(write(int(end)) for end in ends)
        rows.append((label, *map(write, preview.ranges[name]), shown))
    examples = [("smallest", _example(preview.smallest)), ("largest", _example(preview.largest))]
    return f"{table(('cost', 'least', 'most', 'limit'), rows, 'lrrr')}\n\n{facts(examples)}"


def _example(example: Example) -> str:
    return f"{example.cost.parameters:,} parameters: {changes_text(example.changes)}"


def _budget(preview: Preview) -> str:
    rows = [
        (
            str(rung.bracket),
            str(rung.round),
            f"{rung.candidates:,}",
            str(rung.from_epoch),
            str(rung.to_epoch),
        )
        for rung in preview.rungs
    ]
    header = ("bracket", "round", "candidates", "from epoch", "to epoch")
    epochs = (
        f"{counted(preview.total_epochs, 'epoch')} in total, of a schedule of {preview.max_epochs}"
    )
    lines = [("trains", epochs)]
    if preview.iterations > 1:
        lines.append(("iterations", f"{preview.iterations} times the table"))
    if preview.start_from:
        lines.append(("tries first", "; ".join(map(changes_text, preview.start_from))))
    if preview.runs_out:
        lines.append(("note", "the space holds fewer networks than that; all of them are tried"))
    return f"{table(header, rows, 'rrrrr')}\n\n{facts(lines)}"
