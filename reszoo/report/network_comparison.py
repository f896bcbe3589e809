"""Several networks in one table: shape, cost, accuracy, and the fields in which they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reszoo.planning import Cost
from reszoo.planning.golden import known_cost
from reszoo.report.run_listing import run_values
from reszoo.report.run_rows import RunRow, run_row
from reszoo.report.text import MISSING, format_bytes, format_percent, format_shape, format_si, table
from reszoo.spec import Architecture, load, to_mapping
from reszoo.spec.document.overrides import IDENTITY
from reszoo.spec.saved_spec import saved_spec


@dataclass(frozen=True, slots=True)
class ComparedNetwork:
    """A network, with the name, file or folder that was given for it."""

    word: str
    spec: Architecture
    cost: Cost
    run: RunRow | None
    """The run that trained it, if the word names one."""

    @property
    def top1(self) -> float | None:
        """The published accuracy, in percent."""
        return self.spec.published.top1 if self.spec.published else None


_ROWS: tuple[tuple[str, Callable[[ComparedNetwork], str]], ...] = (
    ("input", lambda each: format_shape(each.spec.input.shape)),
    ("classes", lambda each: str(each.spec.classes)),
    ("depth", lambda each: str(each.cost.depth)),
    ("blocks", lambda each: "-".join(str(stage.depth) for stage in each.spec.stages)),
    ("widths", lambda each: "-".join(str(stage.width) for stage in each.spec.stages)),
    ("parameters", lambda each: f"{each.cost.parameters:,}"),
    ("multiply-adds", lambda each: format_si(each.cost.macs)),
    ("weights, float32", lambda each: format_bytes(each.cost.weight_bytes_fp32)),
    ("weights, int8", lambda each: format_bytes(each.cost.weight_bytes_int8)),
    ("activations, int8", lambda each: format_bytes(each.cost.peak_activation_bytes_int8)),
    ("published top-1", lambda each: MISSING if each.top1 is None else f"{each.top1:.2f} %"),
)
_RUN_ROWS: tuple[tuple[str, Callable[[RunRow], str]], ...] = (
    ("data", lambda run: run.data or MISSING),
    ("recipe", lambda run: run.recipe or MISSING),
    ("epochs", lambda run: MISSING if run.epochs is None else str(run.epochs)),
    ("seed", lambda run: MISSING if run.seed is None else str(run.seed)),
    ("minutes", lambda run: MISSING if run.minutes is None else f"{run.minutes:.1f}"),
    ("accuracy", lambda run: format_percent(run.accuracy)),
    ("measured on", lambda run: run.split or MISSING),
)


def is_run(word: str) -> bool:
    """Returns whether a word is a run folder, or any that holds the spec of its network."""
    return (Path(word) / "architecture.yaml").is_file()


def spec_file(word: str) -> str:
    """Returns the spec file of a run folder or of a .keras file; any other word as it is."""
    if is_run(word):
        return str(Path(word) / "architecture.yaml")
    return saved_spec(word) if word.endswith(".keras") and Path(word).exists() else word


def compared_network(word: str, overrides: Sequence[str] = ()) -> ComparedNetwork:
    """Returns the network of a zoo name, a YAML file, a run folder or a .keras file.

    Raises:
      UserError: there is no such network, or its spec is not valid.
    """
    spec = load(spec_file(word), overrides)
    run = run_row(Path(word)) if is_run(word) else None
    return ComparedNetwork(word, spec, known_cost(spec), run)


def comparison_text(networks: Sequence[ComparedNetwork]) -> str:
    """Returns a column per network: its cost, its run, and the fields in which they differ."""
    rows = [(name, *map(cell, networks)) for name, cell in _ROWS]
    if any(network.run for network in networks):
        rows += [
            (name, *(cell(each.run) if each.run else MISSING for each in networks))
            for name, cell in _RUN_ROWS
        ]
    header, align = ("", *(network.word for network in networks)), "l" + "r" * len(networks)
    sections = [table(header, rows, align)]
    if fields := differing_fields(networks):
        different = [(field, *map(_value_text, values)) for field, values in fields.items()]
        sections.append(table(("they differ in", *header[1:]), different, align))
    else:
        sections.append("They are the same network.")
    return "\n\n".join(sections)


def comparison_json(networks: Sequence[ComparedNetwork]) -> dict[str, Any]:
    """Returns the comparison as JSON values; of a run those of `reszoo runs --json`."""
    return {
        "networks": [
            {
                "name": network.word,
                "input": list(network.spec.input.shape),
                "classes": network.spec.classes,
                **asdict(network.cost),
                "published_top1": network.top1,
                "run": run_values(network.run) if network.run else None,
            }
            for network in networks
        ],
        "differing_fields": {
            field: list(values) for field, values in differing_fields(networks).items()
        },
    }


def differing_fields(networks: Sequence[ComparedNetwork]) -> dict[str, tuple[Any, ...]]:
    """Returns the fields whose values are not equal in all networks; None stands for no value.

    Names, titles and sources are left out.
    """
    leaves = [dict(_leaves(_network_fields(network.spec), "")) for network in networks]
    paths = dict.fromkeys(path for fields in leaves for path in fields)
    values = {path: tuple(fields.get(path) for fields in leaves) for path in paths}
    return {path: each for path, each in values.items() if any(each[0] != one for one in each)}


def _value_text(value: Any) -> str:
    """Returns a field's value; numbers of a list are below each other, so that columns fit."""
    if isinstance(value, list):
        return "\n".join(map(str, value)) or MISSING
    return MISSING if value is None else str(value)


def _network_fields(spec: Architecture) -> dict[str, Any]:
    return {key: value for key, value in to_mapping(spec).items() if key not in IDENTITY}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value
