"""The plan of a search: its space, its costs and its trainings."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from reszoo.counted import counted
from reszoo.report.search_summary import changes_text
from reszoo.report.text import MISSING, facts, format_bytes, format_si, heading, table

if TYPE_CHECKING:
    from reszoo.tuning import Dimension, Example, Preview

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
        ordered = not preview.search.constraints
        rules = "in rising order" if ordered else "that meet the constraints"
        lines.insert(2, (f"  {rules}", f"{preview.combinations:,}"))
    for name, number in preview.violations.items():
        label, _ = _MEASURES.get(name, (name, str))
        if name == "target":
            label = f"target {preview.search.limits.target}"
        lines.append((f"  rejected: {label}", f"{number:,}"))
    if measured := _measured_limits(preview):
        lines.append(("measured later", f"{measured}, on the file of each that may be trained"))
    return f"{heading(preview.search.name, preview.search.title)}\n{facts(lines)}"


def _measured_limits(preview: Preview) -> str:
    """Returns the limits that no plan can decide."""
    limits = preview.search.limits
    texts = [f"target {limits.target}"] if limits.target is not None else []
    for name in ("arena_bytes", "latency_ms"):
        limit = getattr(limits, name)
        if isinstance(limit, tuple):
            texts.append(f"{name} {limit[0]:,g} to {limit[1]:,g}")
        elif limit is not None:
            texts.append(f"{name} up to {limit:,g}")
    return ", ".join(texts)


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
        epochs = counted(confirm.trainings * preview.max_epochs, "epoch")
        lines.append(("confirms", f"{best} with {seeds} each, {epochs} in total"))
    if preview.search.references:
        names = ", ".join(preview.search.references)
        lines.append(("references", f"{names}, {counted(preview.max_epochs, 'epoch')} each"))
    if preview.start_from:
        lines.append(("tries first", "; ".join(map(changes_text, preview.start_from))))
    if preview.held_out is not None and preview.smallest_difference is not None:
        difference = f"{100 * preview.smallest_difference:.2f} points"
        shows = f"{preview.held_out:,} images, which show differences above {difference} (95 %)"
        lines.append(("held out", f"{shows} between nets of 90 % accuracy"))
    if preview.runs_out:
        lines.append(("note", "the space holds fewer networks than that; all of them are tried"))
    return f"{table(header, rows, 'rrrrr')}\n\n{facts(lines)}"
