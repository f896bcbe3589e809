"""Degradation: whether a deeper net of the same kind trains worse (He 2015, Figures 1 and 6).

In plain nets even the training error rises with depth, so the cause is not overfitting: the deeper
net could compute what the shallower one does. Highway and residual nets do not have the problem
(Srivastava 2015, Figure 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reszoo import spec
from reszoo.counted import counted
from reszoo.errors import UserError
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.planning.cost import cost
from reszoo.runs.run_dir import default_name
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.studies.depths import make_networks
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

CONNECTIONS = ("plain", "residual", "highway")
DIGITS_BASE, DIGITS_DEPTHS = "highway_dense10_digits", (10, 50)
_NOTICEABLE = 1.1
"""With one seed, training losses within this factor are about the same."""
_HIGHEST_LOSS = 20.0
"""Where the figure ends at the latest: larger losses are as good as infinite, and would flatten
the others."""


@dataclass(frozen=True, slots=True)
class DepthRun:
    """One training of the study."""

    network: str
    connection: str
    depth: int
    """Layers with weights from the image to the logits."""
    parameters: int
    seed: int
    epochs: int
    """Epochs that were trained; fewer than the recipe's where the training failed."""
    train_loss: float | None
    """In the last epoch; None where the loss was no longer a finite number."""
    train_error: float | None
    """In percent, in the last epoch, on the images as augmented."""
    val_error: float | None
    """In percent, on held-out training images after the last epoch."""
    test_error: float | None
    """In percent, of the kept weights."""
    message: str | None
    """Why the training failed; None of a finished one."""


def degradation(
    networks: Sequence[Architecture | str | Path] = (),
    *,
    data: str = "digits",
    base: Architecture | str | Path | None = None,
    depths: Sequence[int] | None = None,
    connections: Sequence[str] = CONNECTIONS,
    recipe: Recipe | str | Path | None = None,
    epochs: int | None = None,
    seeds: int = 1,
    jobs: int = 1,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[DepthRun]:
    """Trains networks of several depths, and compares how deep and shallow ones train.

        >>> from reszoo import studies
        >>> result = studies.degradation(base="resnet20", depths=[20, 56], data="tfds:cifar10")

    Args:
      networks: the networks, by name. Defaults to networks made from `base`.
      data: `digits`, `folder:PATH` or `tfds:NAME`.
      base: a network whose stages get equal numbers of blocks. For digits alone, it defaults to
        fully connected layers without normalisation.
      depths: depths of the networks made from `base`.
      connections: their connections.
      recipe: the recipe of all trainings. Defaults to the short one for the data.
      epochs: number of epochs. Defaults to the recipe's.
      seeds: number of trainings of each network, with seeds 0, 1, ...
      jobs: number of trainings at the same time.
      out: folder of the study. Defaults to `studies/degradation-NAME-DATA`.
      data_dir: folder of downloaded data sets.

    Raises:
      UserError: there are no networks, equal blocks cannot give a depth, or the data are missing.
    """
    chosen = choose_networks(networks, base, depths, connections, data)
    opened = open_grid_data(data, data_dir)
    plan_recipe = grid_recipe(recipe, chosen[0], opened, epochs)
    members = [
        GridMember(network.name, network, seed) for network in chosen for seed in range(seeds)
    ]
    inputs = {
        "networks": [spec.to_mapping(network) for network in chosen],
        "data": data,
        "recipe": spec.to_mapping(plan_recipe),
        "seeds": seeds,
    }
    kind = chosen[0].name if networks else spec.load(base or DIGITS_BASE).name  # type: ignore
    path = Path(out) if out else Path("studies") / default_name(f"degradation-{kind}", data)
    folder = StudyFolder(path, "degradation", inputs)
    runs = train_grid(folder, members, plan_recipe, opened, jobs=jobs)
    table = Table(DepthRun, tuple(_row(run) for run in runs))
    return folder.finish(
        title="Degradation",
        table=table,
        figure=_draw(runs, table),
        findings=[*_findings(table)],
        measured=[
            f"{counted(len(chosen), 'network')} on {opened.images.name}, "
            f"{counted(plan_recipe.epochs, 'epoch')} of the recipe {plan_recipe.name}, "
            f"{counted(seeds, 'seed')} each.",
            "Training loss and error are means over an epoch, on the images as augmented; "
            "held-out error is that of training images that are held out, after each epoch.",
            f"Every run is in {path / 'runs'}.",
        ],
    )


def choose_networks(
    networks: Sequence[Architecture | str | Path],
    base: Architecture | str | Path | None,
    depths: Sequence[int] | None,
    connections: Sequence[str],
    data: str,
) -> list[Architecture]:
    """Returns the networks that are named, or made of a base."""
    if networks:
        if base is not None or depths is not None:
            raise UserError(
                "the networks are named, and cannot be made of a base as well",
                found="names, and --base or --depths",
                hint="leave out --base and --depths, or the names",
            )
        return [n if isinstance(n, Architecture) else spec.load(n) for n in networks]
    if base is None and data == "digits":
        base, depths = DIGITS_BASE, depths or DIGITS_DEPTHS
    if base is None or not depths:
        named = base.name if isinstance(base, Architecture) else base or "resnet20"
        raise UserError(
            "the study degradation needs networks",
            expected="names, or --base and --depths; with --data digits neither",
            found="neither" if base is None else "no depths",
            hint=f"write `reszoo study degradation --base {named} --depths 20,56 --data {data}`",
        )
    loaded = base if isinstance(base, Architecture) else spec.load(base)
    return make_networks(loaded, depths, connections)


def _row(run: GridRun) -> DepthRun:
    member, epochs = run.member, run.epochs
    last = epochs[-1] if epochs and run.message is None else {}
    planned = cost(member.spec)
    test = run.test_accuracy
    return DepthRun(
        member.spec.name,
        member.spec.block.connection,
        planned.depth,
        planned.parameters,
        member.seed,
        len(epochs),
        last.get("loss"),
        _error(last.get("accuracy")),
        _error(last.get("val_accuracy")),
        _error(test),
        run.message,
    )


def _error(accuracy: float | None) -> float | None:
    return None if accuracy is None else 100 * (1 - accuracy)


def _draw(runs: Sequence[GridRun], table: Table[DepthRun]) -> Figure:
    connections = list(dict.fromkeys(table.column("connection")))
    depths = sorted(set(table.column("depth")))
    highest = max((epoch["loss"] for run in runs for epoch in run.epochs), default=0.0)
    end = _HIGHEST_LOSS if highest > _HIGHEST_LOSS else None
    losses, errors = [], []
    for connection in connections:
        loss_lines, error_lines = [], []
        for index, depth in enumerate(depths):
            own = [
                run.epochs
                for run, row in zip(runs, table, strict=True)
                if (row.connection, row.depth) == (connection, depth) and run.epochs
            ]
            if not own:
                continue
            loss_lines.append(_line(own, "loss", f"{depth} layers, training", index, 1))
            error_lines.append(_line(own, "accuracy", f"{depth} layers, training", index, 1))
            if "val_accuracy" in own[0][-1]:
                error_lines.append(
                    _line(own, "val_accuracy", f"{depth} layers, held out", index, 0)
                )
        losses.append(
            LinePanel(
                connection,
                "epoch",
                "training loss",
                loss_lines,
                log=True,
                y_range=(None, end),
            )
        )
        errors.append(LinePanel(connection, "epoch", "error, %", error_lines, y_range=(0, None)))
    return line_panels(
        [*losses, *errors], columns=len(connections), share_y=True, panel_size=(2.9, 2.4)
    )


def _line(
    runs: Sequence[Sequence[dict[str, float]]], key: str, label: str, color: int, style: int
) -> Line:
    """Returns the mean over seeds, with a band from the least to the most."""
    length = min(len(epochs) for epochs in runs)
    values = [
        [epochs[i][key] if key == "loss" else 100 * (1 - epochs[i][key]) for epochs in runs]
        for i in range(length)
    ]
    several = len(runs) > 1
    return Line(
        label,
        range(1, length + 1),
        [sum(v) / len(v) for v in values],
        color,
        style,
        low=[min(v) for v in values] if several else None,
        high=[max(v) for v in values] if several else None,
    )


def _findings(table: Table[DepthRun]) -> Iterable[str]:
    for connection in dict.fromkeys(table.column("connection")):
        own = table.where(connection=connection)
        depths = sorted(set(own.column("depth")))
        shallow, deep = own.where(depth=depths[0]), own.where(depth=depths[-1])
        if len(depths) == 1:
            yield f"{connection}, {depths[0]} layers: {_numbers(shallow)}."
            continue
        yield (
            f"{connection}: the net of {depths[-1]} layers trains {_verdict(shallow, deep)} the "
            f"net of {depths[0]}: {_numbers(deep)}, against {_numbers(shallow)}."
        )


def _verdict(shallow: Table[DepthRun], deep: Table[DepthRun]) -> str:
    """Compares training losses: with several seeds ranges must not overlap."""
    before, after = shallow.column("train_loss"), deep.column("train_loss")
    if None in before:
        return "no worse than" if None in after else "better than"
    if None in after:
        return "worse than"
    factor = _NOTICEABLE if len(before) == 1 else 1.0
    if min(after) > factor * max(before):
        return "worse than"
    if factor * max(after) < min(before):
        return "better than"
    return "about as well as"


def _numbers(rows: Table[DepthRun]) -> str:
    failed = sum(row.message is not None for row in rows)
    if failed:
        return f"{failed} of {len(rows)} trainings failed"
    parts = [f"training loss {_spread(rows.column('train_loss'), 3)}"]
    parts.append(f"training error {_spread(rows.column('train_error'), 1)} %")
    if None not in rows.column("test_error"):
        parts.append(f"test error {_spread(rows.column('test_error'), 1)} %")
    return ", ".join(parts)


def _spread(values: Sequence[float], digits: int) -> str:
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
