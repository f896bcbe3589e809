"""A grid of trainings of a study: ordinary runs in its folder, resumed where they stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.atomic_files import write_text
from reszoo.counted import counted, first_few
from reszoo.data.dataset import ImageData
from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.studies.study_folder import StudyFolder
from reszoo.training.job import choose_recipe
from reszoo.training.jobs.engines import EngineOptions
from reszoo.training.jobs.task import DataArguments, Engine, TrainingTask


@dataclass(frozen=True, slots=True)
class GridMember:
    """One training of a grid."""

    name: str
    """Names the run folder, together with the seed."""
    spec: Architecture
    seed: int


@dataclass(frozen=True, slots=True)
class GridData:
    """The data of a grid, by the word by which each training opens them."""

    word: str
    images: ImageData
    data_dir: Path | None

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return "test" in self.images.splits


@dataclass(frozen=True, slots=True)
class GridRun:
    """A training of a grid that has ended."""

    member: GridMember
    run: Run | None
    """None where the training failed before it began."""
    message: str | None
    """Why it failed; None of a finished one."""
    test_accuracy: float | None
    """On the test split, of the weights that the recipe keeps."""

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The lines of its epochs, oldest first."""
        lines = self.run.metrics() if self.run else []
        return [line for line in lines if line.get("kind") == "epoch"]


def open_grid_data(data: str, data_dir: Path | str | None = None) -> GridData:
    """Opens the data of a grid.

    Raises:
      UserError: they are missing, or are no word: each training opens them in its own process.
    """
    if not isinstance(data, str):
        raise UserError(
            "a study that trains networks needs data that have a name",
            expected="digits, folder:PATH or tfds:NAME",
            found=type(data).__name__,
            hint="save the images in folders and write folder:PATH",
        )
    folder = None if data_dir is None else Path(data_dir)
    return GridData(data, open_data(data, data_dir=folder), folder)


def grid_recipe(
    recipe: Recipe | str | Path | None,
    architecture: Architecture,
    data: GridData,
    epochs: int | None,
) -> Recipe:
    """Returns the recipe of all trainings: the given one, or the short one for the data."""
    images = data.images
    count = images.splits.get(images.only_split or "train")
    return choose_recipe(recipe, architecture, epochs=epochs, images=count)


def train_grid(
    folder: StudyFolder,
    members: Sequence[GridMember],
    recipe: Recipe,
    data: GridData,
    *,
    jobs: int = 1,
) -> list[GridRun]:
    """Trains the members of a grid, `jobs` at a time, and evaluates them on the test split.

    Runs are in `runs/` of the study's folder, what they print in `logs/`. A finished run is not
    trained again, an unfinished one is resumed.

    Raises:
      KeyboardInterrupt: Ctrl-C; every training has saved its checkpoint.
    """
    tasks = [_task(folder.path, member, recipe, data) for member in members]
    waiting = [key for key, task in enumerate(tasks) if not _is_finished(task.run)]
    messages: dict[int, str | None] = {}
    if waiting:
        _announce([members[key] for key in waiting], recipe.epochs)
        engine = make_engine(min(jobs, len(waiting)), folder.path / "runs")
        try:
            for key in waiting:
                engine.submit(key, tasks[key])
            for number in range(len(waiting)):
                ended = engine.wait()
                assert ended is not None
                key, outcome = ended
                messages[key] = outcome.message
                _report(len(members) - len(waiting) + number + 1, members, key, outcome.message)
        finally:
            engine.stop()
    return [
        _grid_run(folder, member, task.run, messages.get(key), data)
        for key, (member, task) in enumerate(zip(members, tasks, strict=True))
    ]


def make_engine(jobs: int, folder: Path) -> Engine:
    """Returns the engine that performs trainings, `jobs` at a time."""
    return EngineOptions(jobs).create(folder)


def _test_accuracy(run: Run, images: ImageData) -> float:
    return evaluate(run, images, split="test").accuracy


def _task(folder: Path, member: GridMember, recipe: Recipe, data: GridData) -> TrainingTask:
    name = f"{member.name}-seed{member.seed}"
    architecture, recipe_file = folder / "networks" / f"{name}.yaml", folder / "recipe.yaml"
    architecture.parent.mkdir(parents=True, exist_ok=True)
    write_text(architecture, spec.to_yaml(member.spec))
    write_text(recipe_file, spec.to_yaml(recipe))
    return TrainingTask(
        architecture,
        recipe_file,
        DataArguments(data.word, data_dir=data.data_dir),
        member.seed,
        recipe.epochs,
        folder / "runs" / name,
        folder / "logs" / f"{name}.log",
    )


def _is_finished(run: Path) -> bool:
    return (run / "run.json").is_file() and Run.open(run).state == "finished"


def _announce(members: Sequence[GridMember], epochs: int) -> None:
    names = list(dict.fromkeys(member.spec.name for member in members))
    trainings = f"{counted(len(members), 'training')} of {counted(epochs, 'epoch')}"
    _say(f"{trainings}: {first_few(names, 3)}")


def _report(done: int, members: Sequence[GridMember], key: int, message: str | None) -> None:
    member = members[key]
    first = (message or "").partition("\n")[0]
    ended = f"failed: {first}" if message else "done"
    _say(f"training {done} of {len(members)}, {member.name}, seed {member.seed}: {ended}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the progress of hours.


def _grid_run(
    folder: StudyFolder, member: GridMember, path: Path, message: str | None, data: GridData
) -> GridRun:
    if not (path / "run.json").is_file():
        return GridRun(member, None, message or "it did not begin", None)
    run = Run.open(path)
    if run.state != "finished":
        return GridRun(member, run, message or f"it is {run.state}", None)
    accuracy = None
    if data.has_test:
        accuracy = folder.step(f"test {path.name}", lambda: _test_accuracy(run, data.images))
    return GridRun(member, run, None, accuracy)
