"""Gating: the shortcuts of He 2016, Table 1, on one depth, beside the published errors.

The table asks what a shortcut may do: be scaled, gated, convolved or dropped. Only the identity
trains well at 110 layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo import spec as specs
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.planning.cost import cost
from reszoo.runs.run_dir import default_name
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.studies.study_folder import StudyFolder, StudyResult
from reszoo.studies.training_grid import (
    GridMember,
    GridRun,
    grid_recipe,
    open_grid_data,
    train_grid,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FAILS = 20.0
"""Percent: He 2016 calls a larger error a failure."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A row of the table."""

    name: str
    block: Mapping[str, Any]
    published: float | None
    """Error in percent of ResNet-110 on CIFAR-10; None where it fails (above 20 %)."""


TABLE_1 = (
    _Kind("identity", {"connection": "residual"}, 6.61),
    _Kind("no_shortcut", {"connection": "plain"}, None),
    _Kind("half_shortcut", {"connection": "constant", "constants": {"carry": 0.5}}, None),
    _Kind(
        "half_both",
        {"connection": "constant", "constants": {"carry": 0.5, "transform": 0.5}},
        12.35,
    ),
    _Kind("exclusive_gate_b0", {"connection": "highway", "gate": {"kernel": 1, "bias": 0}}, None),
    _Kind("exclusive_gate_b6", {"connection": "highway", "gate": {"kernel": 1, "bias": -6}}, 8.70),
    _Kind("exclusive_gate_b7", {"connection": "highway", "gate": {"kernel": 1, "bias": -7}}, 9.81),
    _Kind(
        "shortcut_gate_b0",
        {"connection": "shortcut_gate", "gate": {"kernel": 1, "bias": 0}},
        12.86,
    ),
    _Kind(
        "shortcut_gate_b6",
        {"connection": "shortcut_gate", "gate": {"kernel": 1, "bias": -6}},
        6.91,
    ),
    _Kind(
        "conv_shortcut", {"connection": "residual", "shortcut": {"kind": "projection_all"}}, 12.22
    ),
    _Kind("dropout_shortcut", {"connection": "residual", "shortcut": {"dropout": 0.5}}, None),
)


@dataclass(frozen=True, slots=True)
class GatingRun:
    """One training of the study."""

    shortcut: str
    seed: int
    train_loss: float | None
    train_error: float | None
    """In percent, in the last epoch."""
    val_error: float | None
    test_error: float | None
    published: float | None
    """Error in percent of ResNet-110 on CIFAR-10 (He 2016, Table 1); None where it fails."""
    message: str | None


def gating(
    base: Architecture | str | Path | None = None,
    *,
    data: str = "digits",
    recipe: Recipe | str | Path | None = None,
    epochs: int | None = None,
    seeds: int = 1,
    jobs: int = 1,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[GatingRun]:
    """Trains a residual network with each shortcut of He 2016, Table 1.

        >>> from reszoo import studies
        >>> result = studies.gating("resnet14_digits")  # doctest: +SKIP

    Args:
      base: a network of `basic` blocks, whose connection and shortcuts are replaced. Defaults to
        resnet20, for digits to resnet14_digits.
      data: `digits`, `folder:PATH` or `tfds:NAME`.
      recipe: the recipe of all trainings. Defaults to the short one for the data.
      epochs: number of epochs. Defaults to the recipe's.
      seeds: number of trainings of each network.
      jobs: number of trainings at the same time.
      out: folder of the study. Defaults to `studies/gating-NAME-DATA`.
      data_dir: folder of downloaded data sets.

    Raises:
      UserError: the data are missing, or a shortcut does not fit the base.
    """
    base = base or ("resnet14_digits" if data == "digits" else "resnet20")
    loaded = base if isinstance(base, Architecture) else specs.load(base)
    networks = {kind.name: _network(loaded, kind) for kind in TABLE_1}
    opened = open_grid_data(data, data_dir)
    shared = grid_recipe(recipe, loaded, opened, epochs)
    members = [
        GridMember(name, network, seed)
        for name, network in networks.items()
        for seed in range(seeds)
    ]
    inputs = {
        "base": specs.to_mapping(loaded),
        "data": data,
        "recipe": specs.to_mapping(shared),
        "seeds": seeds,
    }
    path = Path(out) if out else Path("studies") / default_name(f"gating-{loaded.name}", data)
    folder = StudyFolder(path, "gating", inputs)
    runs = train_grid(folder, members, shared, opened, jobs=jobs)
    table = Table(GatingRun, tuple(_row(run) for run in runs))
    return folder.finish(
        title="Shortcuts (He 2016, Table 1)",
        table=table,
        figure=_draw(table),
        findings=[*_findings(table)],
        measured=[
            f"{loaded.name} ({cost(loaded).depth} layers) on {opened.images.name}, "
            f"{shared.epochs} epochs of the recipe {shared.name}, {seeds} "
            f"seed{'s' if seeds > 1 else ''} each.",
            "Published errors are those of ResNet-110 on CIFAR-10 after a full training: the order "
            "can be compared, the numbers cannot.",
        ],
    )


def _network(base: Architecture, kind: _Kind) -> Architecture:
    mapping = specs.to_mapping(base)
    for key in ("published", "source", "weights"):
        mapping.pop(key, None)
    block = {**mapping.get("block", {}), **kind.block}
    if isinstance(kind.block.get("shortcut"), dict) and "kind" not in kind.block["shortcut"]:
        before = mapping.get("block", {}).get("shortcut", {})
        before = before if isinstance(before, dict) else {"kind": before}
        block["shortcut"] = {**before, **kind.block["shortcut"]}
    name = f"{base.name}_{kind.name}"[:100]
    network: Architecture = specs.from_mapping({**mapping, "name": name, "block": block})
    return network


def _row(run: GridRun) -> GatingRun:
    last = run.epochs[-1] if run.epochs and run.message is None else {}
    kind = next(kind for kind in TABLE_1 if kind.name == run.member.name)
    return GatingRun(
        kind.name,
        run.member.seed,
        last.get("loss"),
        _error(last.get("accuracy")),
        _error(last.get("val_accuracy")),
        _error(run.test_accuracy),
        kind.published,
        run.message,
    )


def _error(accuracy: float | None) -> float | None:
    return None if accuracy is None else 100 * (1 - accuracy)


def _measured(row: GatingRun) -> float | None:
    return row.test_error if row.test_error is not None else row.val_error


def _draw(table: Table[GatingRun]) -> Figure:
    names = list(dict.fromkeys(table.column("shortcut")))
    errors = {name: _mean_error(table.where(shortcut=name)) for name in names}
    order = _by_error(errors)
    x = range(1, len(order) + 1)
    published = [table.where(shortcut=name).rows[0].published for name in order]
    lines = [
        Line("here", x, [errors[name] for name in order], 0, marker="o"),
        Line("published, ResNet-110 on CIFAR-10 (gaps: fails)", x, published, 1, marker="s"),
    ]
    ticks = [
        (float(number), name.replace("_", "\n")) for number, name in zip(x, order, strict=True)
    ]
    panel = LinePanel(
        "Test error by shortcut", "", "error, %", lines, x_ticks=ticks, y_range=(0, None)
    )
    return line_panels([panel], panel_size=(8.2, 3.2))


def _by_error(errors: Mapping[str, float | None]) -> list[str]:
    """Returns the names from the least error to the largest; failed ones last."""

    def error(name: str) -> float:
        value = errors[name]
        return 100.0 if value is None else value

    return sorted(errors, key=error)


def _mean_error(rows: Table[GatingRun]) -> float | None:
    values = [value for row in rows if (value := _measured(row)) is not None]
    return sum(values) / len(values) if values else None


def _findings(table: Table[GatingRun]) -> Iterable[str]:
    names = list(dict.fromkeys(table.column("shortcut")))
    errors = {name: _mean_error(table.where(shortcut=name)) for name in names}
    for name in _by_error(errors):
        error = errors[name]
        published = table.where(shortcut=name).rows[0].published
        paper = f"{published:.2f} %" if published is not None else "fails"
        here = "failed" if error is None else f"{error:.2f} %"
        if error is not None and error > _FAILS:
            here += " (fails)"
        yield f"{name}: {here}, published {paper}."
