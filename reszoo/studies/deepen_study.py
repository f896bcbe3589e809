"""The constructed deeper net: a trained net with identity blocks added, before and after training.

He 2015 argues that a deeper net should not train worse, because this solution exists. Here the
solution is built, its function is compared with the original's, and it is trained further, beside a
net of the same depth from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo.counted import counted
from reszoo.data import ImageData
from reszoo.errors import UserError
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.inference.evaluate import evaluate
from reszoo.inference.evaluation_data import reopen_data
from reszoo.inference.find_network import require_model
from reszoo.inference.net2net import deepen as deepen_network
from reszoo.model.saving import save_model
from reszoo.planning.cost import cost
from reszoo.runs import Run
from reszoo.spec import to_mapping
from reszoo.studies.staged_training import StagedTraining, epoch_lines, train_stage
from reszoo.studies.study_folder import StudyFolder, StudyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = ("original", "constructed", "from scratch")


@dataclass(frozen=True, slots=True)
class DeepenedRun:
    """One network of the study."""

    network: str
    """`original`, `constructed` (identity blocks, then trained) or `from scratch`."""
    depth: int
    epochs: int
    start_accuracy: float | None
    """On the test split, before training; None for random weights."""
    train_loss: float
    val_accuracy: float | None
    test_accuracy: float | None


def deepen(
    run: Run | Path | str,
    *,
    depths: Sequence[int] | None = None,
    epochs: int | None = None,
    data: Any = None,
    out: Path | str | None = None,
) -> StudyResult[DeepenedRun]:
    """Deepens a trained network without changing its function; trains it and a net from scratch.

        >>> from reszoo import studies
        >>> result = studies.deepen("runs/resnet8_digits-digits-1")  # doctest: +SKIP

    Both deeper networks get the run's recipe and seed; the constructed one has the epochs of the
    original behind it.

    Args:
      run: a finished run.
      depths: number of blocks of each stage. Defaults to twice the current number.
      epochs: number of epochs of both trainings. Defaults to the recipe's.
      data: the data, where they have moved. Defaults to the run's own.
      out: folder of the study. Defaults to `RUN/study/deepen`.

    Raises:
      UserError: the run has not finished, or no weights make its blocks the identity.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    require_model(run)
    spec, recipe = run.architecture(), run.recipe()
    if epochs is not None:
        recipe = recipe.model_copy(update={"epochs": epochs})
    depths = tuple(depths or (2 * stage.depth for stage in spec.stages))
    images = reopen_data(run, data)
    built = deepen_network(run, depths, seed=run.seed)
    inputs = {
        "run": str(run.path),
        "network": to_mapping(spec),
        "depths": depths,
        "recipe": to_mapping(recipe),
        "seed": run.seed,
    }
    folder = StudyFolder(Path(out) if out else run.path / "study" / "deepen", "deepen", inputs)
    file = folder.path / "constructed.keras"
    save_model(built.model, file, spec=built.spec, classes=built.classes)
    before, after = (
        folder.step(f"accuracy of {target}", partial(_accuracy, target, images))
        for target in (run.path, file)
    )
    word = run.data()["name"] if run.data()["reopens"] and data is None else (data or images)
    trained = train_stage(
        folder.path, StagedTraining("constructed", None, file), recipe, word, seed=run.seed
    )
    scratch = train_stage(
        folder.path, StagedTraining("scratch", built.spec), recipe, word, seed=run.seed
    )
    runs = (run, trained, scratch)
    starts = (None, after, None)
    table = Table(DeepenedRun, tuple(map(_row, _NAMES, runs, starts)))
    return folder.finish(
        title=f"A deeper {run.name}, constructed and from scratch",
        table=table,
        figure=_draw(runs),
        findings=_findings(table, built.difference, built.gate, before, after),
        measured=[
            f"{spec.name} with {', '.join(map(str, depths))} blocks in its stages, on "
            f"{images.name}; {counted(recipe.epochs, 'epoch')} of the recipe {recipe.name}, seed "
            f"{run.seed}. The constructed net has those of the original behind it.",
            f"Accuracies on the split {_test_split(images.splits)}.",
        ],
    )


def _accuracy(target: Path, images: ImageData) -> float:
    return evaluate(target, images, split=_test_split(images.splits)).accuracy


def _test_split(splits: Any) -> str:
    return "test" if "test" in splits else next(iter(splits))


def _row(name: str, run: Run, start: float | None) -> DeepenedRun:
    lines = epoch_lines([run])
    if not lines:
        raise UserError(
            f"{run.path} has no epochs in metrics.jsonl",
            hint="put the file back from a copy of the run, or train again",
        )
    return DeepenedRun(
        name,
        cost(run.architecture()).depth,
        len(lines),
        start,
        lines[-1]["loss"],
        lines[-1].get("val_accuracy"),
        run.info.get("test_accuracy"),
    )


def _draw(runs: Sequence[Run]) -> Figure:
    losses, errors = [], []
    for index, (name, run) in enumerate(zip(_NAMES, runs, strict=True)):
        lines = epoch_lines([run])
        x = range(1, len(lines) + 1)
        losses.append(Line(name, x, [line["loss"] for line in lines], index))
        if "val_accuracy" in lines[-1]:
            y = [100 * (1 - line["val_accuracy"]) for line in lines]
            errors.append(Line(name, x, y, index))
    panels = [LinePanel("Training loss", "epoch", "loss", losses, log=True)]
    if errors:
        panels.append(
            LinePanel("Error on held-out images", "epoch", "error, %", errors, y_range=(0, None))
        )
    return line_panels(panels, panel_size=(3.6, 2.8))


def _findings(
    table: Table[DeepenedRun],
    difference: float,
    gate: float | None,
    before: float,
    after: float,
) -> list[str]:
    original, constructed, scratch = table.rows
    exact = "" if gate is None else f" (new gates are open by {gate:.4f})"
    findings = [
        f"The constructed net of {constructed.depth} layers computes what the original of "
        f"{original.depth} does: logits differ by {difference:.1e} of the largest{exact}; its "
        f"accuracy is {100 * after:.2f} % before training, the original's {100 * before:.2f} %."
    ]
    better = constructed.train_loss < scratch.train_loss
    findings.append(
        f"After {counted(constructed.epochs, 'further epoch')}, on top of the original's "
        f"{original.epochs}, its training loss is {constructed.train_loss:.4f}, "
        f"{'lower' if better else 'higher'} than the {scratch.train_loss:.4f} of the same depth "
        f"after {scratch.epochs} from scratch; the original's was {original.train_loss:.4f}."
    )
    if constructed.test_accuracy is not None and scratch.test_accuracy is not None:
        findings.append(
            f"Test accuracy: constructed {100 * constructed.test_accuracy:.2f} %, from scratch "
            f"{100 * scratch.test_accuracy:.2f} %."
        )
    return findings
