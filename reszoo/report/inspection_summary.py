"""Summary of an inspected `.tflite`: operators, memory, metadata and verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from reszoo.counted import first_few
from reszoo.report.text import MISSING, facts, table
from reszoo.tflite.contents import TFLiteTensor
from reszoo.tflite.image_metadata import ModelNote, TensorNote
from reszoo.tflite.inspection import TFLiteInspection
from reszoo.tflite.memory_plan import TRIES

_BAR_COLUMNS = 40
_MOST_BARS = 48
_LABELS_SHOWN = 10
_NAMES_SHOWN = 5
_NAME, _SENTENCE = 60, 300
"""Letters that are shown of a name or a description."""
_UNKNOWN_ARENA = "unknown: a shape or the path through the graphs is known only at run time"


def inspection_text(inspection: TFLiteInspection) -> str:
    """Returns tables of operators, memory and verdicts, each under its heading."""
    sections = [facts(_file_facts(inspection)), _operator_table(inspection)]
    if remarks := _remarks(inspection):
        sections.append(facts(remarks))
    sections.append(facts(_memory_facts(inspection)))
    if bars := _bars(inspection):
        sections.append(table(("running", "feature maps", ""), bars, "lrl"))
    sections.append(facts(_metadata_facts(inspection.metadata)))
    if inspection.verdicts:
        sections.append(table(("target", "fits", "because"), _verdicts(inspection), "lll"))
    return "\n\n".join(sections)


def inspection_json(inspection: TFLiteInspection) -> dict[str, Any]:
    """Returns the same as JSON values, with every operator in the order in which they run."""
    model, graph = inspection.model, inspection.model.main
    return {
        "file": str(inspection.path),
        "bytes": len(model.content),
        "schema_version": model.version,
        "description": model.description,
        "minimum_runtime": inspection.minimum_runtime,
        "graphs": len(model.graphs),
        "inputs": [_tensor_json(graph.tensors[index]) for index in graph.inputs],
        "outputs": [_tensor_json(graph.tensors[index]) for index in graph.outputs],
        "weight_bytes": model.weight_bytes,
        "operator_counts": _counts(inspection),
        "operators": [
            {
                "name": use.name,
                "kind": use.kind,
                "version": use.version,
                "precision": use.precision,
                "inputs": [list(shape) for shape in use.inputs],
                "outputs": [list(shape) for shape in use.outputs],
                "activation": use.activation,
            }
            for use in inspection.operators
        ],
        "missing_in_tflite_micro": list(inspection.missing_in_micro),
        "dynamic_tensors": list(inspection.dynamic),
        "unfused": [
            {"index": each.index, "name": each.name, "reason": each.reason, "bytes": each.bytes}
            for each in inspection.unfused
        ],
        "arena": _arena_json(inspection),
        "metadata": _metadata_json(inspection.metadata),
        "targets": {
            verdict.target: {
                "fits": verdict.fits,
                "problems": [each.text for each in verdict.problems],
            }
            for verdict in inspection.verdicts
        },
    }


def _file_facts(inspection: TFLiteInspection) -> list[tuple[str, str]]:
    model, graph = inspection.model, inspection.model.main
    size = len(model.content)
    lines = [
        ("file", str(inspection.path)),
        ("size", f"{size:,} bytes, of which weights {model.weight_bytes:,}"),
        ("made by", model.description or MISSING),
        ("needs", f"TensorFlow Lite {inspection.minimum_runtime or 'of an unknown version'}"),
    ]
    if len(model.graphs) > 1:
        lines.append(("graphs", f"{len(model.graphs)}; the first is shown"))
    lines += [("input", _tensor_text(graph.tensors[index])) for index in graph.inputs]
    return lines + [("output", _tensor_text(graph.tensors[index])) for index in graph.outputs]


def _tensor_text(tensor: TFLiteTensor) -> str:
    text = f"{tensor.name}  {_shape(tensor.signature)}  {tensor.dtype.lower()}"
    if tensor.scales:
        zero_point = tensor.zero_points[0] if tensor.zero_points else 0
        text += f"  scale {tensor.scales[0]:.6g}, zero point {zero_point}"
    return text


def _operator_table(inspection: TFLiteInspection) -> str:
    """One row for each operator, precision and pair of shapes, in order of their first use."""
    rows = Counter(
        (
            use.name if use.kind == "builtin" else f"{use.name} ({use.kind})",
            use.precision,
            _shapes(use.inputs),
            _shapes(use.outputs),
        )
        for use in inspection.operators
    )
    lines = [
        (name, str(count), precision, inputs, outputs)
        for (name, precision, inputs, outputs), count in rows.items()
    ]
    lines.append(("in all", str(len(inspection.operators)), "", "", ""))
    return table(("operator", "count", "precision", "in", "out"), lines, "lrlll")


def _remarks(inspection: TFLiteInspection) -> list[tuple[str, str]]:
    lines = [
        (kind, ", ".join(sorted({use.name for use in inspection.operators if use.kind == kind})))
        for kind in ("custom", "unknown")
    ]
    lines.append(("not in TFLite-Micro", first_few(inspection.missing_in_micro, _NAMES_SHOWN)))
    lines.append(("dynamic shapes", first_few(inspection.dynamic, _NAMES_SHOWN)))
    unfused = Counter((each.name, each.reason) for each in inspection.unfused)
    lines += [("unfused", f"{count} {name} {reason}") for (name, reason), count in unfused.items()]
    return [(label, text) for label, text in lines if text]


def _memory_facts(inspection: TFLiteInspection) -> list[tuple[str, str]]:
    arena, plan = inspection.arena, inspection.plan
    if arena is None or plan is None:
        return [("arena", _UNKNOWN_ARENA)]
    by = "the file's memory plan" if inspection.has_plan else "TFLite-Micro's planner"
    best = f"{plan.bytes:,} bytes, found in {plan.tries} of {TRIES} tries"
    if plan.bytes == plan.lower_bound:
        best += "; none takes less"
    return [
        ("arena", f"{arena.bytes:,} bytes in TFLite-Micro"),
        ("feature maps", f"{arena.feature_map_bytes:,} bytes by {by}"),
        ("its own", f"{arena.own_bytes:,} bytes, {arena.source}"),
        ("planner", f"{plan.greedy_bytes:,} bytes without a memory plan"),
        ("best plan", best),
        ("lower bound", f"{plan.lower_bound:,} bytes live at once"),
    ]


def _bars(inspection: TFLiteInspection) -> list[tuple[str, str, str]]:
    """The course of memory over time: long networks take several operators to a bar."""
    live = inspection.live_bytes[1:]
    highest = max(live, default=0)
    if not highest:
        return []
    step = -(-len(live) // _MOST_BARS)
    rows = []
    for start in range(0, len(live), step):
        fullest = max(range(start, min(start + step, len(live))), key=live.__getitem__)
        length = -(-live[fullest] * _BAR_COLUMNS // highest)
        name = f"{fullest} {inspection.operators[fullest].name}"
        rows.append((name, f"{live[fullest]:,}", "#" * length))
    return rows


def _metadata_facts(note: ModelNote | None) -> list[tuple[str, str]]:
    if note is None:
        return [("metadata", "none: MediaPipe Tasks shows class numbers in place of names")]
    texts = (("metadata", note.name), ("described as", note.description))
    lines = [(label, _short(text, _SENTENCE) or MISSING) for label, text in texts]
    for label, tensors in (("takes", note.inputs), ("gives", note.outputs)):
        lines += [(label, _note_text(tensor)) for tensor in tensors]
    return lines


def _note_text(note: TensorNote) -> str:
    parts = [_short(note.name, _NAME)]
    if note.color is not None:
        parts.append(f"{note.color} image")
    if note.std:
        mean, std = (", ".join(f"{value:g}" for value in side) for side in (note.mean, note.std))
        parts.append(f"normalized by mean {mean} and standard deviation {std}")
    if note.labels is not None:
        parts.append(f"{len(note.labels):,} labels: {_some_labels(note.labels)}")
    return ", ".join(part for part in parts if part)


def _verdicts(inspection: TFLiteInspection) -> list[tuple[str, str, str]]:
    return [
        (
            verdict.target,
            "yes" if verdict.fits else "no",
            "\n".join(verdict.texts) or MISSING,
        )
        for verdict in inspection.verdicts
    ]


def _arena_json(inspection: TFLiteInspection) -> dict[str, Any] | None:
    arena, plan = inspection.arena, inspection.plan
    if arena is None or plan is None:
        return None
    return {
        "bytes": arena.bytes,
        "feature_map_bytes": arena.feature_map_bytes,
        "own_bytes": arena.own_bytes,
        "own_bytes_are": arena.source,
        "has_memory_plan": inspection.has_plan,
        "planner_bytes": plan.greedy_bytes,
        "best_plan_bytes": plan.bytes,
        "lower_bound_bytes": plan.lower_bound,
        "live_bytes": list(inspection.live_bytes),
    }


def _metadata_json(note: ModelNote | None) -> dict[str, Any] | None:
    if note is None:
        return None
    return {
        "name": note.name,
        "description": note.description,
        "inputs": [_note_json(tensor) for tensor in note.inputs],
        "outputs": [_note_json(tensor) for tensor in note.outputs],
    }


def _note_json(note: TensorNote) -> dict[str, Any]:
    return {
        "name": note.name,
        "color": note.color,
        "mean": _finite(note.mean),
        "std": _finite(note.std),
        "labels": None if note.labels is None else list(note.labels),
    }


def _tensor_json(tensor: TFLiteTensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.signature),
        "dtype": tensor.dtype.lower(),
        "scales": list(tensor.scales),
        "zero_points": list(tensor.zero_points),
    }


def _finite(values: Sequence[float]) -> list[float | str]:
    """Numbers as JSON allows them: NaN and infinity, which a bad file may hold, as texts."""
    return [value if abs(value) < float("inf") else str(value) for value in values]


def _counts(inspection: TFLiteInspection) -> dict[str, int]:
    return dict(Counter(use.name for use in inspection.operators).most_common())


def _shapes(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join(map(_shape, shapes)) or MISSING


def _shape(sides: Sequence[int]) -> str:
    """A dynamic dimension is a question mark; a scalar is 1."""
    return "x".join("?" if side < 0 else str(side) for side in sides) or "1"


def _some_labels(labels: Sequence[str]) -> str:
    shown = [_short(label, _NAME) for label in labels[:_LABELS_SHOWN]]
    return first_few((*shown, *labels[_LABELS_SHOWN:]), _LABELS_SHOWN)


def _short(text: str, most: int) -> str:
    """Returns a text of someone else's file, cut off after so many letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
