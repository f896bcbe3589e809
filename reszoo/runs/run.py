"""The run folder: everything that passes between a training and later commands.

run.json            the run's state, command, seed, versions, machine and results
architecture.yaml   the network, resolved: enough to build it without the zoo
recipe.yaml         the recipe, resolved
data.json           the data's name, classes, counts and held-out images
data_files.jsonl    size, time and hash of each image, by which `resume` recognises them
metrics.jsonl       one line per epoch and evaluation, without clock times: it is reproducible
timing.jsonl        the clock times
checkpoints/        what a training resumes from
model.keras         the trained network
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from reszoo import spec
from reszoo.atomic_files import (
    append_line,
    machine_error,
    recover_all,
    remove_unlocked,
    write_json,
    write_text,
)
from reszoo.errors import UserError
from reszoo.pandas_frame import data_frame
from reszoo.runs.checkpoint_listing import newest_checkpoint
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.runs.jsonl import read_lines, read_valid_lines, write_lines
from reszoo.runs.lock import hold_lock
from reszoo.runs.run_dir import claim, undo
from reszoo.runs.run_info import (
    FORMAT_VERSION,
    damaged_file,
    new_info,
    read_info,
    read_object,
    timestamp,
    trained_facts,
)
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe

DATA_FORMAT_VERSION = 1
"""Of data.json."""

RunState = Literal["running", "interrupted", "finished", "failed"]


class Run:
    """A run folder with typed access to its files, each of which is read when it is needed.

    Attributes:
      path: the folder.
      info: the contents of run.json.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info

    def __repr__(self) -> str:
        """Returns the run's name, state and accuracy, as far as `info` has them."""
        accuracy, split = self.accuracy()
        try:
            name = self.name
        except (OSError, RuntimeError):  # a loop of links, or a working folder that is gone
            name = self.path.name
        text = f"{type(self).__name__} {name}: {self.info.get('state')}"
        if accuracy is not None:
            text += f", {split} accuracy {100 * accuracy:.2f} %"
        return f"<{text}>"

    @classmethod
    def create(
        cls,
        path: Path | str | None,
        *,
        architecture: Architecture,
        recipe: Recipe,
        data: Mapping[str, Any],
        data_files: Sequence[Mapping[str, Any]] | None = None,
        command: Sequence[str],
        seed: int,
        default_name: str,
        policy: CheckpointPolicy | None = None,
        distribution: Mapping[str, Any] | None = None,
        start: Mapping[str, Any] | None = None,
        teachers: Sequence[Mapping[str, Any]] = (),
        first_checkpoint: Callable[[Path], object] | None = None,
    ) -> Run:
        """Creates the folder of a new run; a failure leaves nothing behind.

        Args:
          path: the folder, which must be new, empty, or left by an earlier attempt that was
            killed. Defaults to `runs/<default_name>-<N>` with the first free N.
          architecture: the network as trained, with the data's classes.
          recipe: the recipe as trained, with its overrides.
          data: the contents of data.json.
          data_files: the lines of data_files.jsonl. Defaults to none, for data that their name
            stands for.
          command: the command that repeats the run.
          seed: seed of weights, data order, augmentation and held-out images.
          default_name: name of the default folder, without its number.
          policy: when checkpoints are written; recorded as `running` in run.json.
          distribution: options of devices and strategy; recorded as `where`, for `resume`.
          start: where the initial weights come from. Defaults to random initialization.
          teachers: the networks whose outputs it learns. Defaults to none.
          first_checkpoint: writes the initial weights into the folder of checkpoints, before
            run.json makes the folder a run.

        Raises:
          UserError: the folder is taken or in use.
          MachineError: it cannot be written.
        """
        folder, made = claim(None if path is None else Path(path), default_name)
        info = new_info(folder.name, command, seed)
        info |= trained_facts(architecture, recipe, data)
        info |= {"running": policy.facts() if policy else {}, "where": dict(distribution or {})}
        info |= {} if start is None else {"start": dict(start)}
        info |= {"teachers": [dict(teacher) for teacher in teachers]} if teachers else {}
        run = cls(folder, info)
        try:
            with run.lock():
                run.write_architecture(architecture)
                run.write_recipe(recipe)
                write_json(folder / "data.json", {"format_version": DATA_FORMAT_VERSION, **data})
                if data_files is not None:
                    write_lines(folder / "data_files.jsonl", data_files)
                shutil.rmtree(run.checkpoints, ignore_errors=True)  # of an attempt that was killed
                run.checkpoints.mkdir()
                if first_checkpoint is not None:
                    first_checkpoint(run.checkpoints)
                # Last: run.json makes the folder a run.
                write_json(folder / "run.json", run.info)
        except UserError:  # Another process is creating the same run.
            raise
        except BaseException as error:
            undo(folder, made)
            if isinstance(error, OSError):
                raise machine_error(error, folder) from error
            raise
        return run

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Opens a run folder.

        Raises:
          UserError: the folder is missing, no run, damaged, or from a newer reszoo.
        """
        return cls(Path(path), read_info(Path(path)))

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def state(self) -> RunState:
        """The state of the run when run.json was last written."""
        state: RunState = self._fact("state", str)
        return state

    @property
    def seed(self) -> int:
        """The seed of weights, data order, augmentation and held-out images."""
        return int(self._fact("seed", int))

    @property
    def model_path(self) -> Path:
        """The path of the trained network, which exists once the training has finished."""
        return self.path / "model.keras"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def accuracy(self) -> tuple[float, str] | tuple[None, None]:
        """Returns the test accuracy, or else the best validation accuracy, and the split.

        Both are None before the first epoch ends.
        """
        best = self.info.get("best")
        split, accuracy = self.info.get("test_split", "test"), self.info.get("test_accuracy")
        if accuracy is None and isinstance(best, dict):
            split, accuracy = "validation", best.get("val_accuracy")
        return (accuracy, split) if isinstance(accuracy, int | float) else (None, None)

    def architecture(self) -> Architecture:
        """Returns the network as trained."""
        return spec.load(self._existing("architecture.yaml"))

    def recipe(self) -> Recipe:
        """Returns the recipe as trained."""
        return spec.load_recipe(self._existing("recipe.yaml"))

    def data(self) -> dict[str, Any]:
        """Returns data.json: name, classes, counts per split, validation."""
        data = read_object(self._existing("data.json"))
        classes = data.get("classes")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise damaged_file(
                self.path / "data.json", "a list `classes` of names", repr(classes)[:60]
            )
        return data

    def data_files(self) -> list[dict[str, Any]]:
        """Returns the lines of data_files.jsonl, without damaged ones; empty of older runs."""
        return read_valid_lines(self.path / "data_files.jsonl")

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the lines of metrics.jsonl, oldest first; empty before the first epoch ends."""
        return read_lines(self.path / "metrics.jsonl")

    def timing(self) -> list[dict[str, Any]]:
        """Returns the lines of timing.jsonl, oldest first, without damaged ones."""
        return read_valid_lines(self.path / "timing.jsonl")

    def seconds(self) -> float:
        """Returns the time of all epochs, validation included; 0 before the first one ends."""
        return sum(float(line.get("seconds", 0)) for line in self.timing())

    def to_frame(self) -> Any:
        """Returns a `pandas.DataFrame` with a row per epoch: the values of metrics.jsonl.

        Raises:
          UserError: pandas is not installed, or the file is damaged.
        """
        epochs = [line for line in self.metrics() if line.get("kind", "epoch") == "epoch"]
        names = [name for name in dict.fromkeys(chain.from_iterable(epochs)) if name != "kind"]
        columns = {name: [line.get(name) for line in epochs] for name in names}
        return data_frame(columns, instead="`metrics()`")

    def lock(self) -> AbstractContextManager[None]:
        """Holds the run for this process; see `reszoo.runs.lock.hold_lock`."""
        return hold_lock(self.path)

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Appends a line to metrics.jsonl, without clock times: equal runs write equal files."""
        append_line(self.path / "metrics.jsonl", json.dumps(values, allow_nan=False))

    def append_timing(self, values: Mapping[str, Any]) -> None:
        """Appends a line to timing.jsonl, with the time of day."""
        append_line(self.path / "timing.jsonl", json.dumps({**values, "at": timestamp()}))

    def newest_checkpoint(self) -> Path | None:
        """Returns the checkpoint of the latest step, whole or not."""
        return newest_checkpoint(self.checkpoints)

    def recover(self) -> None:
        """Removes the unfinished files of killed processes, but for what a living one holds."""
        for folder in (self.path, self.checkpoints):
            recover_all(folder)

    def truncate_logs(self, metrics_lines: int, epochs: int) -> None:
        """Removes what was logged after a checkpoint: a resumed run logs it again.

        Unfinished files go too: a checkpoint may be twice as large as the network.

        Args:
          metrics_lines: number of lines to keep of metrics.jsonl.
          epochs: number of epochs to keep of timing.jsonl.
        """
        self.recover()
        for folder in (self.path, self.checkpoints):
            remove_unlocked(folder)
        timing = [line for line in self.timing() if line.get("epoch", 0) <= epochs]
        logs = {"metrics.jsonl": self.metrics()[:metrics_lines], "timing.jsonl": timing}
        for name, lines in logs.items():
            # Rewritten even when no line goes: a power cut may have left an unfinished one.
            if (self.path / name).exists():
                write_lines(self.path / name, lines)

    def set_state(self, state: RunState, **facts: Any) -> None:
        """Records the run's state in run.json, with further facts (devices, accuracy, ...)."""
        # A checkpoint of this version follows, which an older reszoo cannot read.
        info = {**self.info, **facts, "format_version": FORMAT_VERSION}
        self.info = {**info, "state": state, "changed": timestamp()}
        write_json(self.path / "run.json", self.info)

    def write_architecture(self, architecture: Architecture) -> None:
        """Writes the network as trained."""
        write_text(self.path / "architecture.yaml", spec.to_yaml(architecture))

    def write_data(self, data: Mapping[str, Any]) -> None:
        """Writes data.json."""
        write_json(self.path / "data.json", {"format_version": DATA_FORMAT_VERSION, **data})

    def write_recipe(self, recipe: Recipe) -> None:
        """Writes the recipe as trained."""
        write_text(self.path / "recipe.yaml", spec.to_yaml(recipe))

    def _fact(self, name: str, kind: type) -> Any:
        """Returns a value of run.json that has to be there."""
        if not isinstance(value := self.info.get(name), kind):
            what = {str: "text", int: "a whole number"}[kind]
            raise damaged_file(self.path / "run.json", f"{what} as `{name}`", repr(value)[:60])
        return value

    def _existing(self, name: str) -> Path:
        if not (path := self.path / name).is_file():
            raise UserError(
                f"the run {self.path} is damaged",
                expected=name,
                found="no such file",
                hint=f"copy {name} again from where the run was trained, or train the run again",
            )
        return path
