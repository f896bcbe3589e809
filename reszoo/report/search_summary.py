"""The table of a search and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reszoo.counted import counted
from reszoo.report.text import (
    MISSING,
    facts,
    format_accuracy,
    format_command,
    format_interval,
    format_percent,
    format_si,
    table,
)

if TYPE_CHECKING:
    from reszoo.tuning import SearchResult, TrialRecord


def result_text(result: SearchResult) -> str:
    """Returns every trial, best first, and the commands that use the best one."""
    means, images = result.means, result.held_out_images
    records = [*result.trials, *result.references]
    rows = [
        (
            str(record.trial) if record.kind == "trial" else "reference",
            str(record.epochs),
            outcome_text(record),
            *([_interval(result, record)] if images else []),
            *([_mean(record, means)] if means else []),
            format(record.cost["parameters"], ","),
            format_si(record.cost["macs"]),
            record.reference or changes_text(record.changes) or "none (the base)",
        )
        for record in records
    ]
    header = (
        *("trial", "epochs", "validation"),
        *(["95 % interval"] if images else []),
        *(["mean of seeds"] if means else []),
        *("parameters", "multiply-adds", "what was changed"),
    )
    lines = [
        ("best", f"trial {result.best.trial}, {_accuracy(result)}"),
        ("its spec", str(result.best_path)),
        ("its run", str(result.best_run)),
        *_recipe_values(result),
        *_retrained(result),
        ("next", _train_command(result)),
        *([] if result.retrained else [("", _retrain_command(result))]),
    ]
    if front := result.front:
        names = f"{counted(len(front), 'network')} in {result.path / 'pareto'}"
        lines.insert(1, ("front", f"{names}, by {', '.join(result.search.goals)}"))
    if result.rejected:
        counts = ", ".join(f"{number:,} by {name}" for name, number in result.rejected.items())
        lines.insert(1, ("rejected", f"{counts}, before any training"))
    trained = f"{len(result.records)} of {result.planned} trainings"
    if not result.is_finished:
        lines.append(
            ("note", f"{trained} are recorded; this resumes the search, if it is not running")
        )
        lines.append(("", _search_command(result)))
    elif len(result.records) < result.planned:
        lines.append(("note", f"after {trained}, no other candidate that fits was found"))
        lines += [("", result.gave_up)] if result.gave_up else []
    return f"{table(header, rows, 'r' * (len(header) - 1) + 'l')}\n\n{facts(lines)}"


def _interval(result: SearchResult, record: TrialRecord) -> str:
    interval = result.interval(record.val_accuracy)
    return MISSING if interval is None else format_interval(interval)


def _mean(record: TrialRecord, means: Mapping[int, float]) -> str:
    mean = means.get(record.trial) if record.kind == "trial" else None
    return MISSING if mean is None else format_percent(mean)


def _accuracy(result: SearchResult) -> str:
    """Returns the accuracy of the best, with what the held-out images leave open."""
    best, interval = result.best, result.interval(result.best.val_accuracy)
    accuracy = format_percent(best.val_accuracy)
    if interval is not None and best.val_accuracy is not None:
        accuracy = format_accuracy(best.val_accuracy, interval)
    images = "held-out training images"
    if interval is not None:
        images = f"{result.held_out_images:,} {images}"
    text = f"{accuracy} on {images}"
    mean = result.means.get(best.trial)
    return text if mean is None else f"{text}; {format_percent(mean)} on average over all seeds"


def _recipe_values(result: SearchResult) -> list[tuple[str, str]]:
    """Returns the fields of the recipe that were searched, with the best one's values."""
    prefix = "recipe."
    values = {
        path: value
        for path, value in result.best.changes.items()
        if path.replace(" ", "").startswith(prefix)
    }
    return [("its recipe", f"{result.recipe_path}: {changes_text(values)}")] if values else []


def _retrained(result: SearchResult) -> list[tuple[str, str]]:
    """Returns the test accuracy of each winner that was trained on all training images."""
    lines: list[tuple[str, str]] = []
    for summary in result.winners:
        text = f"trial {summary.trial}, {counted(summary.epochs, 'epoch')} on all training images: "
        if summary.mean is not None:
            text += f"test {format_percent(summary.mean)}"
            if summary.deviation is not None:
                low, high = min(summary.accuracies), max(summary.accuracies)
                text += (
                    f" on average over {len(summary.accuracies)} seeds (standard deviation "
                    f"{100 * summary.deviation:.2f} points; {format_percent(low)} to "
                    f"{format_percent(high)})"
                )
        else:
            text += "no test accuracy"
        if summary.message is not None:
            failed = summary.message.partition("\n")[0]
            text += f"; of {counted(summary.trainings, 'training')} some failed: {failed}"
        lines.append(("" if lines else "retrained", text))
    return lines


def _search_command(result: SearchResult) -> str:
    """Returns the command that goes on with the search in its folder."""
    page = result.path / "search.yaml"
    words = ["tune", str(page), "--data", result.data, "-o", str(result.path)]
    return format_command(*words, *_shared_options(result))


def _retrain_command(result: SearchResult) -> str:
    """Returns the command that trains the best network on all training images, with three seeds."""
    return f"{_search_command(result)} --retrain --seeds 3"


def _train_command(result: SearchResult) -> str:
    """Returns the command that trains the best network for all epochs of its recipe."""
    words = ["train", str(result.best_path), "--data", result.data]
    words += ["--recipe", str(result.recipe_path), "--seed", str(result.search.seed)]
    return format_command(*words, *_shared_options(result))


def _shared_options(result: SearchResult) -> list[str]:
    """Returns the options that all trainings of a search share."""
    teachers = [word for teacher in result.teachers for word in ("--teacher", str(teacher.path))]
    return [*(["--skip-bad-images"] if result.skip_bad_images else []), *teachers]


def changes_text(changes: Mapping[str, Any]) -> str:
    """Returns each searched field with its value: `stages[*].depth=2; stages[*].width=16`."""
    return "; ".join(f"{path}={_compact(value)}" for path, value in changes.items())


def _compact(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


def outcome_text(record: TrialRecord) -> str:
    """Returns the accuracy of a training, or that it failed."""
    return "failed" if record.val_accuracy is None else format_percent(record.val_accuracy)
