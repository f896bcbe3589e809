"""A network in words: its stages as the papers give them, its cost, where each value is from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reszoo.planning import Cost, Plan, Row
from reszoo.planning.cost import cost
from reszoo.planning.stage_table import stage_table
from reszoo.report.published import count_lines
from reszoo.report.text import count, facts, shape, short, size, table
from reszoo.spec import Document, Origin, ResolvedDocument, to_yaml
from reszoo.spec.architecture import Architecture, Published, Weights
from reszoo.spec.base import KeyPath, format_path


def network_text(resolved: ResolvedDocument, spec: Architecture, plan: Plan) -> str:
    """All that `reszoo show` tells: heading, stages, cost, values with their origins."""
    sections = [
        _heading(spec),
        stages_text(plan),
        cost_text(spec, cost(plan)),
        f"# Every value, and where it stands: `line` is in {resolved.file};\n"
        "# without a remark it is the default.\n" + values_text(resolved, spec).rstrip(),
    ]
    return "\n\n".join(sections)


def stages_text(plan: Plan) -> str:
    """The stage table, as He 2015, Table 1."""
    rows = [
        (
            part.name,
            shape(part.output),
            "\n".join(part.layers) or "-",
            f"x {part.blocks}" if part.blocks > 1 else "",
            count(part.parameters),
            short(part.macs),
        )
        for part in stage_table(plan)
    ]
    header = ("part", "output", "layers", "blocks", "parameters", "multiply-adds")
    return table(header, rows, "lllrrr")


def cost_text(spec: Architecture, cost: Cost) -> str:
    """What it costs, beside what is published."""
    lines = [
        ("depth", f"{cost.depth} weighted layers"),
        *count_lines(spec, cost),
        ("weights", f"{size(cost.weight_bytes_fp32)} float32, {size(cost.weight_bytes_int8)} int8"),
        (
            "activations",
            f"at most {size(cost.peak_activation_bytes_fp32)} float32, "
            f"{size(cost.peak_activation_bytes_int8)} int8, for one image",
        ),
    ]
    return facts([*lines, *_accuracy_line(spec.published), *weights_lines(spec)])


def weights_lines(spec: Architecture) -> list[tuple[str, str]]:
    """Where the weights that go with the spec come from, and how accurate they are."""
    weights = spec.weights
    if weights is None:
        return []
    sides = weights.input_size
    pixels = "" if sides is None else f", made for {shape(sides)} pixels"
    origin = f"{weights.source}{pixels} ({weights.file}, sha256 {weights.sha256[:12]})"
    return [("weights from", origin), *_accuracy_line(weights)]


def _accuracy_line(published: Published | Weights | None) -> list[tuple[str, str]]:
    if published is None or published.top1 is None:
        return []
    top5 = "" if published.top5 is None else f", top-5 {published.top5:.2f} %"
    return [("accuracy", f"top-1 {published.top1:.2f} %{top5} ({published.where})")]


def values_text(resolved: ResolvedDocument, document: Document) -> str:
    """The whole document as YAML, each value that was written with the place where it stands."""
    remarks: dict[KeyPath, dict[str, str]] = {}
    for path, origin in resolved.origins.items():
        if not isinstance(_value(resolved.mapping, path), dict | list):
            length = _length_of_line(path)
            inner = format_path(path[length:])
            remarks.setdefault(path[:length], {})[inner] = _remark(origin, resolved.file)
    return to_yaml(document, {path: _joined(by_field) for path, by_field in remarks.items()})


def _length_of_line(path: KeyPath) -> int:
    """How much of a path has a line of its own: a plain list has one, and so has a list's item."""
    numbers = [index for index, part in enumerate(path) if isinstance(part, int)]
    if not numbers:
        return len(path)
    return numbers[0] if numbers[0] == len(path) - 1 else numbers[0] + 1


def _joined(by_field: Mapping[str, str]) -> str:
    """One remark for a line: the commonest, and the fields that stand elsewhere."""
    common = Counter(by_field.values()).most_common(1)[0][0]
    others = [f"{field}: {remark}" for field, remark in by_field.items() if remark != common]
    return "; ".join([common, *others])


def _value(mapping: Any, path: KeyPath) -> Any:
    for part in path:
        mapping = mapping[part]
    return mapping


def _remark(origin: Origin, file: str) -> str:
    if origin.kind == "set":
        return "--set"
    if origin.place.file == file:
        return f"line {origin.place.line}"
    return f"{Path(origin.place.file).name}, line {origin.place.line}"


def built_text(spec: Architecture, cost: Cost, layers: int, weights: int) -> str:
    """What `reszoo build` tells of a built model.

    Args:
      spec: what was built.
      cost: what its plan costs.
      layers: how many Keras layers were built.
      weights: how many weights Keras counts, moving means and variances included.
    """
    planned = cost.parameters + cost.other_parameters
    same = "as planned" if weights == planned else f"but {count(planned)} were planned"
    lines = [
        ("input", f"{shape(spec.input.shape)}, raw pixels 0..255"),
        ("classes", str(spec.classes)),
        ("depth", f"{cost.depth} weighted layers, {layers} Keras layers"),
        *count_lines(spec, cost),
        ("Keras counts", f"{count(weights)} with moving means and variances, {same}"),
        *weights_lines(spec),
    ]
    return f"{_heading(spec)}\n{facts(lines)}"


def rows_text(plan: Plan) -> str:
    """Every row of the plan, one to a line."""
    rows = [_row_cells(row) for row in plan.rows]
    header = ("row", "op", "inputs", "output", "parameters", "other", "multiply-adds", "attributes")
    return table(header, rows, "llllrrrl")


def _row_cells(row: Row) -> tuple[str, ...]:
    attributes = ", ".join(f"{name}={_plain(value)}" for name, value in row.attributes.items())
    return (
        row.name,
        row.op,
        ", ".join(ref.row for ref in row.inputs),
        shape(row.shape),
        count(row.parameters),
        count(row.other_parameters),
        count(row.macs),
        attributes,
    )


def _plain(value: object) -> str:
    kind = getattr(value, "kind", None)
    return str(kind if kind is not None else value)


def _heading(spec: Architecture) -> str:
    title = f"{spec.name}: {spec.title}" if spec.title else spec.name
    source = [f"  {spec.source}"] if spec.source else []
    return "\n".join([title, *source])
