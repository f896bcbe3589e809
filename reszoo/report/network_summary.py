"""Summary of a network: its stages as in the papers, its cost, the origin of each value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from reszoo.planning import Cost, Plan, Row
from reszoo.planning.cost import cost
from reszoo.planning.stage_table import stage_table
from reszoo.report.published import count_lines
from reszoo.report.text import MISSING, facts, format_bytes, format_shape, format_si, heading, table
from reszoo.spec import Document, Origin, ResolvedDocument, to_yaml
from reszoo.spec.architecture import Architecture, Published, Weights
from reszoo.spec.base import KeyPath, format_path

STAGE_HEADER = ("part", "output", "layers", "blocks", "parameters", "multiply-adds")
STAGE_ALIGN = "lllrrr"


def network_text(resolved: ResolvedDocument, spec: Architecture, plan: Plan) -> str:
    """Returns the text of `reszoo show`: heading, stages, cost, values with their origins."""
    sections = [
        heading(spec.name, spec.title, spec.source),
        stages_text(plan),
        cost_text(spec, cost(plan)),
        values_text(resolved, spec),
    ]
    return "\n\n".join(sections)


def stages_text(plan: Plan) -> str:
    """Returns the stage table, as in He 2015, Table 1."""
    return table(STAGE_HEADER, stage_rows(plan), STAGE_ALIGN)


def stage_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Returns the cells of the stage table; those of a block are lines of one cell."""
    return [
        (
            part.name,
            format_shape(part.output),
            "\n".join(part.layers) or MISSING,
            f"x {part.blocks}" if part.blocks > 1 else "",
            f"{part.parameters:,}",
            format_si(part.macs),
        )
        for part in stage_table(plan)
    ]


def cost_text(spec: Architecture, cost: Cost) -> str:
    """Returns the cost, compared with what is published."""
    return facts(cost_lines(spec, cost))


def cost_lines(spec: Architecture, cost: Cost) -> list[tuple[str, str]]:
    """Returns the labels and values of `cost_text`."""
    weights = _both_sizes(cost.weight_bytes_fp32, cost.weight_bytes_int8)
    activations = _both_sizes(cost.peak_activation_bytes_fp32, cost.peak_activation_bytes_int8)
    lines = [
        ("depth", f"{cost.depth} weighted layers"),
        *count_lines(spec, cost),
        ("weights", weights),
        ("activations", f"at most {activations}, for one image"),
    ]
    return [*lines, *_accuracy_line(spec.published), *weights_lines(spec)]


def _both_sizes(float32: int, int8: int) -> str:
    return f"{format_bytes(float32)} float32, {format_bytes(int8)} int8"


def weights_lines(spec: Architecture) -> list[tuple[str, str]]:
    """Returns the origin and accuracy of the weights that belong to the spec, if any."""
    weights = spec.weights
    if weights is None:
        return []
    sides = weights.input_size
    pixels = "" if sides is None else f", made for {format_shape(sides)} pixels"
    origin = f"{weights.source}{pixels} ({weights.file}, sha256 {weights.sha256[:12]})"
    return [("weights from", origin), *_accuracy_line(weights)]


def _accuracy_line(published: Published | Weights | None) -> list[tuple[str, str]]:
    if published is None or published.top1 is None:
        return []
    top5 = "" if published.top5 is None else f", top-5 {published.top5:.2f} %"
    return [("accuracy", f"top-1 {published.top1:.2f} %{top5} ({published.where})")]


def values_text(resolved: ResolvedDocument, document: Document) -> str:
    """Returns the full document as YAML; each value that is no default has its origin beside it."""
    remarks: dict[KeyPath, dict[str, str]] = {}
    mapping: Any = resolved.mapping
    for path, origin in resolved.origins.items():
        if not isinstance(reduce(getitem, path, mapping), dict | list):
            length = _length_of_line(path)
            inner = format_path(path[length:])
            remarks.setdefault(path[:length], {})[inner] = _remark(origin, resolved.file)
    values = to_yaml(document, {path: _joined(by_field) for path, by_field in remarks.items()})
    return (
        f"# Every value and its origin: `line` is in {resolved.file};\n"
        f"# without a remark it is the default.\n{values.rstrip()}"
    )


def _length_of_line(path: KeyPath) -> int:
    """Returns how many keys of a path lead to a line of its own.

    A list of plain values has one line, and so has each item of a list of mappings.
    """
    item = next((index for index, key in enumerate(path) if isinstance(key, int)), len(path))
    return item if item >= len(path) - 1 else item + 1


def _joined(by_field: Mapping[str, str]) -> str:
    """Returns one remark for a line: the most common one, then those of the other fields."""
    common = Counter(by_field.values()).most_common(1)[0][0]
    others = [f"{field}: {remark}" for field, remark in by_field.items() if remark != common]
    return "; ".join([common, *others])


def _remark(origin: Origin, file: str) -> str:
    if origin.kind == "set":
        return "--set"
    if origin.place.file == file:
        return f"line {origin.place.line}"
    return f"{Path(origin.place.file).name}, line {origin.place.line}"


def built_text(spec: Architecture, cost: Cost, layers: int, weights: int) -> str:
    """Returns the text of `reszoo build`; Keras counts so many `layers` and `weights`."""
    planned = cost.parameters + cost.other_parameters
    same = "as planned" if weights == planned else f"but {planned:,} were planned"
    lines = [
        ("input", f"{format_shape(spec.input.shape)}, raw pixels 0..255"),
        ("classes", str(spec.classes)),
        ("depth", f"{cost.depth} weighted layers, {layers} Keras layers"),
        *count_lines(spec, cost),
        ("Keras counts", f"{weights:,} with moving means and variances, {same}"),
        *weights_lines(spec),
    ]
    return f"{heading(spec.name, spec.title, spec.source)}\n{facts(lines)}"


def rows_text(plan: Plan) -> str:
    """Returns every row of the plan as a table."""
    rows = [_row_cells(row) for row in plan.rows]
    header = ("row", "op", "inputs", "output", "parameters", "other", "multiply-adds", "attributes")
    return table(header, rows, "llllrrrl")


def _row_cells(row: Row) -> tuple[str, ...]:
    attributes = ", ".join(f"{name}={_plain(value)}" for name, value in row.attributes.items())
    return (
        row.name,
        row.op,
        ", ".join(ref.row for ref in row.inputs),
        format_shape(row.shape),
        f"{row.parameters:,}",
        f"{row.other_parameters:,}",
        f"{row.macs:,}",
        attributes,
    )


def _plain(value: object) -> str:
    kind = getattr(value, "kind", None)
    return str(kind if kind is not None else value)
