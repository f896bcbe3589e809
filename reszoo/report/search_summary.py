"""Summaries of a search: a preview before it, a table at the end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from reszoo.counted import counted
from reszoo.report.text import (
    MISSING,
    facts,
    format_accuracy,
    format_bytes,
    format_command,
    format_interval,
    format_percent,
    format_si,
    heading,
    table,
)

if TYPE_CHECKING:
    from reszoo.tuning import Dimension, Example, Preview, SearchResult, TrialRecord

_MEASURES = {
    "parameters": ("parameters", "{:,}".format),
    "macs": ("multiply-adds", format_si),
    "weight_bytes_int8": ("int8 weights", format_bytes),
    "peak_activation_bytes": ("int8 activations", format_bytes),
}
"""Each limit of a search: its label, and the format of its values."""

_LISTED_VALUES = 12


def preview_text(preview: Preview) -> str:
    """Returns the space, its costs, the training budget and what is tried first."""
    values = [(axis.name, _values(axis)) for axis in preview.dimensions]
    fields = table(("field", "values"), values, "ll")
    parts = [_candidates(preview), fields, _costs(preview), _tenths(preview), _budget(preview)]
    return "\n\n".join(filter(None, parts))


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
    interval = result.interval(record)
    return MISSING if interval is None else format_interval(interval)


def _mean(record: TrialRecord, means: Mapping[int, float]) -> str:
    mean = means.get(record.trial) if record.kind == "trial" else None
    return MISSING if mean is None else format_percent(mean)


def _accuracy(result: SearchResult) -> str:
    """Returns the accuracy of the best, with what the held-out images leave open."""
    best, interval = result.best, result.interval(result.best)
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
    return format_command(*words, *(["--skip-bad-images"] if result.skip_bad_images else []))


def _retrain_command(result: SearchResult) -> str:
    """Returns the command that trains the best network on all training images, with three seeds."""
    return f"{_search_command(result)} --retrain --seeds 3"


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


def outcome_text(record: TrialRecord) -> str:
    """Returns the accuracy of a training, or that it failed."""
    return "failed" if record.val_accuracy is None else format_percent(record.val_accuracy)


def _values(axis: Dimension) -> str:
    """Returns the values of a field; of a long run of whole numbers, its ends."""
    labels = axis.labels
    whole = all(isinstance(label, int) and not isinstance(label, bool) for label in labels)
    if whole and len(labels) > _LISTED_VALUES:
        steps = {after - before for before, after in pairwise(labels)}
        if len(steps) == 1:
            (step,) = steps
            return f"{labels[0]} to {labels[-1]}{f' in steps of {step}' if step != 1 else ''}"
    return ", ".join(map(str, labels))


def _candidates(preview: Preview) -> str:
    examined = "all" if preview.exact else f"{preview.examined:,} of them"
    feasible = f"{preview.feasible_candidates:,}"
    if not preview.exact:
        feasible = f"{preview.feasible:,} of {preview.examined:,} drawn, so about {feasible}"
    lines = [
        ("base", f"{preview.base}, trained by the recipe {preview.recipe}"),
        ("candidates", f"{preview.candidates:,}"),
        ("weighed", examined),
        ("within the limits", feasible),
    ]
    if preview.combinations < preview.candidates:
        rules = "in order" if not preview.search.constraints else "that meet the constraints"
        lines.insert(2, (f"  {rules}", f"{preview.combinations:,}"))
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
    of_weighed = "" if preview.exact else " of those weighed"
    examples = [
        (f"smallest{of_weighed}", _example(preview.smallest)),
        (f"largest{of_weighed}", _example(preview.largest)),
    ]
    return f"{table(('cost', 'least', 'most', 'limit'), rows, 'lrrr')}\n\n{facts(examples)}"


def _tenths(preview: Preview) -> str | None:
    """Returns how many feasible candidates lie in each tenth of each limit, with an advice."""
    if not preview.tenths:
        return None
    header = ("tenth of the limit", *(f"{10 * tenth}%" for tenth in range(1, 11)))
    rows = [
        (_MEASURES[name][0], *(f"{count:,}" for count in counts))
        for name, counts in preview.tenths.items()
    ]
    text = table(header, rows, "l" + "r" * 10)
    if preview.lower_bound is not None:
        name, least = preview.lower_bound
        most = getattr(preview.search.limits, name)
        advice = (
            "of every limit, half of the candidates use less than half; larger ones mostly win: "
            f"`limits: {{{name}: [{least:g}, {most:g}]}}`"
        )
        text += f"\n\n{facts([('advice', advice)])}"
    return text


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
    if (confirm := preview.search.confirm) is not None:
        best, seeds = f"the best {confirm.best}", counted(confirm.seeds, "further seed")
        epochs = counted(confirm.best * confirm.seeds * preview.max_epochs, "epoch")
        lines.append(("confirms", f"{best} with {seeds} each, {epochs} in total"))
    if preview.search.references:
        lines.append(("references", ", ".join(preview.search.references)))
    if preview.start_from:
        lines.append(("tries first", "; ".join(map(changes_text, preview.start_from))))
    if preview.held_out is not None and preview.smallest_difference is not None:
        difference = format_percent(preview.smallest_difference)
        shows = f"{preview.held_out:,} images, which show differences above {difference} (95 %)"
        lines.append(("held out", f"{shows} between nets of 90 % accuracy"))
    if preview.runs_out:
        lines.append(("note", "the space holds fewer networks than that; all of them are tried"))
    return f"{table(header, rows, 'rrrrr')}\n\n{facts(lines)}"
