"""Boosting: blocks appended one by one, each trained on what the net before it gets wrong.

Residual learning is often compared with boosting, which adds weak learners one at a time (gradient
boosting; BoostResNet, Huang 2018). Each new block starts as the identity, a function that adds
nothing, and is trained while all blocks before and after it stay frozen. Beside it the same net is
trained end to end for as many epochs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo import spec as specs
from reszoo.counted import counted
from reszoo.errors import UserError
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.inference.net2net import deepen as deepen_network
from reszoo.planning.block_chain import blocks_of
from reszoo.planning.network import plan
from reszoo.runs import Run
from reszoo.runs.run_dir import default_name
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.studies.staged_training import StagedTraining, epoch_lines, train_stage
from reszoo.studies.study_folder import StudyFolder, StudyResult
from reszoo.studies.training_grid import grid_recipe, open_grid_data

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class BoostedBlock:
    """The network after a block was appended and trained, or trained end to end."""

    blocks: int
    """Number of blocks of the net."""
    appended: str
    """The new block, such as `stage2.block3`; empty for the first net and end to end."""
    epochs: int
    """All epochs that were trained so far."""
    train_loss: float
    train_error: float
    """In percent."""
    val_error: float | None
    test_error: float | None


def boosting(
    base: Architecture | str | Path | None = None,
    *,
    data: str = "digits",
    recipe: Recipe | str | Path | None = None,
    epochs: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> StudyResult[BoostedBlock]:
    """Builds a network block by block, each trained alone, and trains it end to end.

        >>> from reszoo import studies
        >>> result = studies.boosting("resnet14_digits", epochs=5)  # doctest: +SKIP

    Args:
      base: the network to end with. The first net has one block in each of its stages; the others
        are appended in the order in which the net has them. Defaults to resnet20, for digits to
        resnet14_digits.
      data: `digits`, `folder:PATH` or `tfds:NAME`.
      recipe: the recipe of each training. Defaults to the short one for the data.
      epochs: number of epochs of each training. Defaults to the recipe's.
      seed: seed of all trainings.
      out: folder of the study. Defaults to `studies/boosting-NAME-DATA`.
      data_dir: folder of downloaded data sets.

    Raises:
      UserError: the network has one block in each stage, or blocks that cannot be the identity.
    """
    base = base or ("resnet14_digits" if data == "digits" else "resnet20")
    network = base if isinstance(base, Architecture) else specs.load(base)
    if all(stage.depth == 1 for stage in network.stages):
        raise UserError(
            f"{network.name} has no blocks to append: each of its stages has one",
            expected="a network with two blocks or more in some stage",
            hint="--base resnet20, or --base resnet14_digits with --data digits",
        )
    opened = open_grid_data(data, data_dir)
    each = grid_recipe(recipe, network, opened, epochs)
    inputs = {
        "base": specs.to_mapping(network),
        "data": data,
        "recipe": specs.to_mapping(each),
        "seed": seed,
    }
    path = Path(out) if out else Path("studies") / default_name(f"boosting-{network.name}", data)
    folder = StudyFolder(path, "boosting", inputs)
    settings: dict[str, Any] = {"seed": seed, "data_dir": data_dir}
    runs, names = _boost(folder.path, network, each, data, settings)
    total = each.model_copy(update={"epochs": each.epochs * len(runs)})
    whole = train_stage(folder.path, StagedTraining("end_to_end", network), total, data, **settings)
    table = Table(BoostedBlock, tuple(_rows(runs, names, whole)))
    return folder.finish(
        title=f"{network.name}, block by block",
        table=table,
        figure=_draw(runs, whole, each.epochs),
        findings=_findings(table, names),
        measured=[
            f"{network.name} on {opened.images.name}: {counted(each.epochs, 'epoch')} of the "
            f"recipe {each.name} for the first net and for each new block, while all others are "
            f"frozen; {counted(total.epochs, 'epoch')} end to end; seed {seed}.",
        ],
    )


def _boost(
    folder: Path, network: Architecture, recipe: Recipe, data: str, settings: dict[str, Any]
) -> tuple[list[Run], list[str]]:
    """Returns the runs, the first net's first, and the names of the appended blocks."""
    depths = [1] * len(network.stages)
    first = _with_depths(network, depths)
    runs = [train_stage(folder, StagedTraining("blocks_1", first), recipe, data, **settings)]
    names = [""]
    for stage, block in _appended(network):
        depths[stage - 1] = block
        file = folder / "networks" / f"{len(runs) + 1}.keras"
        file.parent.mkdir(parents=True, exist_ok=True)
        name = f"stage{stage}.block{block}"
        deeper = deepen_network(runs[-1], depths, out=file, seed=settings["seed"])
        others = [part.name for part in blocks_of(plan(deeper.spec)) if part.name != name]
        training = StagedTraining(f"blocks_{len(runs) + 1}", None, file, ("stem", *others, "head"))
        runs.append(train_stage(folder, training, recipe, data, **settings))
        names.append(name)
    return runs, names


def _appended(network: Architecture) -> Iterator[tuple[int, int]]:
    for stage, config in enumerate(network.stages, start=1):
        yield from ((stage, block) for block in range(2, config.depth + 1))


def _with_depths(network: Architecture, depths: Sequence[int]) -> Architecture:
    pairs = zip(network.stages, depths, strict=True)
    stages = tuple(stage.model_copy(update={"depth": depth}) for stage, depth in pairs)
    return network.model_copy(update={"stages": stages, "published": None})


def _rows(runs: Sequence[Run], names: Sequence[str], whole: Run) -> Iterator[BoostedBlock]:
    done = 0
    for run, name in [*zip(runs, names, strict=True), (whole, "")]:
        lines = epoch_lines([run])
        done = len(lines) if run is whole else done + len(lines)
        last = lines[-1]
        blocks = sum(stage.depth for stage in run.architecture().stages)
        yield BoostedBlock(
            blocks,
            name,
            done,
            last["loss"],
            100 * (1 - last["accuracy"]),
            _error(last.get("val_accuracy")),
            _error(run.info.get("test_accuracy")),
        )


def _error(accuracy: float | None) -> float | None:
    return None if accuracy is None else 100 * (1 - accuracy)


def _draw(runs: Sequence[Run], whole: Run, epochs: int) -> Figure:
    steps, ends = epoch_lines(runs), epoch_lines([whole])
    panels = []
    for key, title, label in (
        ("loss", "Training loss", "loss"),
        ("val_accuracy", "Error on held-out images", "error, %"),
    ):
        lines = []
        for index, (name, epoch) in enumerate((("block by block", steps), ("end to end", ends))):
            y = [line[key] for line in epoch if key in line]
            if y:
                values = y if key == "loss" else [100 * (1 - value) for value in y]
                lines.append(Line(name, range(1, len(y) + 1), values, index))
        if lines:
            marks = [number * epochs + 0.5 for number in range(1, len(runs))]
            x_label = "epoch (grey lines: a new block)"
            panels.append(
                LinePanel(title, x_label, label, lines, log=key == "loss", separators=marks)
            )
    return line_panels(panels, panel_size=(4.0, 2.8))


def _findings(table: Table[BoostedBlock], names: Sequence[str]) -> list[str]:
    *boosted, whole = table.rows
    first, last = boosted[0], boosted[-1]
    gains = [
        (before.train_loss - after.train_loss, after.appended)
        for before, after in itertools.pairwise(boosted)
    ]
    gain, name = max(gains)
    findings = [
        f"Block by block, the training loss falls from {first.train_loss:.4f} with "
        f"{first.blocks} blocks to {last.train_loss:.4f} with {last.blocks}; {name} helps most "
        f"({gain:.4f}).",
        f"Trained end to end for as many epochs ({whole.epochs}), the same net reaches "
        f"{whole.train_loss:.4f}.",
    ]
    if last.test_error is not None and whole.test_error is not None:
        findings.append(
            f"Test error: {last.test_error:.2f} % block by block, {whole.test_error:.2f} % end to "
            "end."
        )
    return findings
