"""Gating: the shortcuts of He 2016, Table 1, at one depth, beside the published errors.

The table asks what a shortcut may do: be scaled, gated, convolved or dropped. Only the identity
trains well at 110 layers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo import spec as specs
from reszoo.counted import counted
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

_GUESSING = 1.2
"""Up to this multiple of the accuracy of guessing, nothing has been learned."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A row of the table."""

    name: str
    words: str
    """What a sentence calls it, after "with"."""
    block: Mapping[str, Any]
    published: float | None
    """Error in percent of ResNet-110 on CIFAR-10; None where it fails (above 20 %)."""


def _gate(connection: str, bias: int) -> Mapping[str, Any]:
    return {"connection": connection, "gate": {"kernel": 1, "bias": bias}}


_HALF = {"connection": "constant", "constants": {"carry": 0.5}}
_HALVES = {"connection": "constant", "constants": {"carry": 0.5, "transform": 0.5}}
_CONV = {"connection": "residual", "shortcut": {"kind": "projection_all"}}
_DROPOUT = {"connection": "residual", "shortcut": {"dropout": 0.5}}
TABLE_1 = (
    _Kind("identity", "the identity as shortcut", {"connection": "residual"}, 6.61),
    _Kind("no_shortcut", "no shortcut", {"connection": "plain"}, None),
    _Kind("half_shortcut", "the shortcut halved", _HALF, None),
    _Kind("half_both", "shortcut and H halved", _HALVES, 12.35),
    _Kind("exclusive_gate_b0", "an exclusive gate from 0", _gate("highway", 0), None),
    _Kind("exclusive_gate_b6", "an exclusive gate from -6", _gate("highway", -6), 8.70),
    _Kind("exclusive_gate_b7", "an exclusive gate from -7", _gate("highway", -7), 9.81),
    _Kind("shortcut_gate_b0", "a shortcut gate from 0", _gate("shortcut_gate", 0), 12.86),
    _Kind("shortcut_gate_b6", "a shortcut gate from -6", _gate("shortcut_gate", -6), 6.91),
    _Kind("conv_shortcut", "a 1x1 convolution as shortcut", _CONV, 12.22),
    _Kind("dropout_shortcut", "dropout on the shortcut", _DROPOUT, None),
)
_NAMES = (
    "Names in the table: identity is x + H, no_shortcut is H, half_shortcut is 0.5 x + H, "
    "half_both is 0.5 x + 0.5 H, exclusive_gate is (1 - g) x + g H and shortcut_gate is "
    "(1 - g) x + H with a learned gate g (whose bias begins at 0, -6 or -7: b0, b6, b7), "
    "conv_shortcut is H plus a 1x1 convolution of x, dropout_shortcut is H plus x with a dropout "
    "of 0.5."
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
        findings=[*_findings(table, len(opened.images.classes))],
        measured=[
            f"{loaded.name} ({cost(loaded).depth} layers) on {opened.images.name}, "
            f"{counted(shared.epochs, 'epoch')} of the recipe {shared.name}, "
            f"{counted(seeds, 'seed')} each.",
            _NAMES,
            "Published errors are those of ResNet-110 on CIFAR-10 after a full training: the order "
            "can be compared, the numbers cannot. He 2016 says that a shortcut fails where that "
            "error is above 20 %.",
            "Small differences may be chance; more seeds can show it.",
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
    kind = _kind(run.member.name)
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


def _kind(name: str) -> _Kind:
    return next(kind for kind in TABLE_1 if kind.name == name)


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
        Line("He 2016, ResNet-110 on CIFAR-10 (gaps: fails)", x, published, 1, marker="s"),
    ]
    ticks = [
        (float(number), name.replace("_", "\n")) for number, name in zip(x, order, strict=True)
    ]
    panel = LinePanel(_title(table), "", "error, %", lines, x_ticks=ticks, y_range=(0, None))
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


def _title(table: Table[GatingRun]) -> str:
    tested = any(row.test_error is not None for row in table)
    return f"{'Test' if tested else 'Held-out'} error"


def _findings(table: Table[GatingRun], classes: int) -> Iterable[str]:
    errors = {kind.name: _mean_error(table.where(shortcut=kind.name)) for kind in TABLE_1}
    title = _title(table).lower()
    for name in _by_error(errors):
        kind = _kind(name)
        paper = "it fails" if kind.published is None else f"it is {kind.published:.2f} %"
        here = _outcome(table.where(shortcut=name), title, classes)
        yield f"With {kind.words} {here}; in He 2016 {paper}."
    yield from _order(errors)


def _outcome(rows: Table[GatingRun], title: str, classes: int) -> str:
    """Returns what trainings of one shortcut came to, as the end of a sentence."""
    errors = [error for row in rows if (error := _measured(row)) is not None]
    failures = [row.message.partition("\n")[0] for row in rows if row.message]
    if not errors:
        return f"the training fails ({failures[0]})" if failures else "no error is measured"
    mean = sum(errors) / len(errors)
    text = f"the {title} is {mean:.2f} %"
    if len(errors) > 1:
        text += f" ({min(errors):.2f} to {max(errors):.2f})"
    if 100 - mean <= _GUESSING * 100 / classes:
        text += ", no better than guessing"
    if failures:
        text += f", and {len(failures)} of {len(rows)} trainings fail ({failures[0]})"
    return text


def _order(errors: Mapping[str, float | None]) -> Iterable[str]:
    """States which pairs of shortcuts have the paper's order here; failures come last in both."""
    here = {name: inf if error is None else error for name, error in errors.items()}
    ranked = sorted(TABLE_1, key=_published)
    pairs = [
        (better, worse)
        for better, worse in itertools.combinations(ranked, 2)
        if _published(better) < _published(worse)
    ]
    same = sum(here[better.name] < here[worse.name] for better, worse in pairs)
    yield (
        f"Of the {len(pairs)} pairs of shortcuts that He 2016 ranks (those that fail come last), "
        f"{same} have the same order here."
    )
    for better in ranked:
        exchanged = [w.words for b, w in pairs if b is better and here[w.name] < here[b.name]]
        if exchanged:
            yield (
                f"Exchanged: with {better.words} the error is smaller in He 2016, but larger here, "
                f"than with {', '.join(exchanged)}."
            )


def _published(kind: _Kind) -> float:
    return inf if kind.published is None else kind.published
