"""The run folder: everything that passes between a training and the commands after it.

run.json            what, when, where, the command that repeats it, its state
architecture.yaml   the network, resolved: enough to build it without the zoo
recipe.yaml         the recipe, resolved
data.json           which data, its classes and counts, what was held out
metrics.jsonl       one whole line per epoch and evaluation; no clock, so it is reproducible
timing.jsonl        the clock times
checkpoints/        the states from which the run goes on
model.keras         the trained network
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from reszoo import spec
from reszoo.atomic_files import PARTIALS, append_line, machine_error, write_json, write_text
from reszoo.errors import UserError
from reszoo.runs.jsonl import read_lines, write_lines
from reszoo.runs.lock import owned
from reszoo.runs.run_dir import claim, contents, undo
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.system_info import machine, versions

FORMAT = "reszoo run"
FORMAT_VERSION = 1
STATES = "step-*.state"
"""The states in a run's checkpoints, by name in the order of their steps."""

State = Literal["running", "interrupted", "finished", "failed"]


class Run:
    """A run folder, typed. Cheap to open; reads its files when asked."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info

    @classmethod
    def create(
        cls,
        path: Path | str | None,
        *,
        architecture: Architecture,
        recipe: Recipe,
        data: Mapping[str, Any],
        command: Sequence[str],
        seed: int,
        default_name: str,
        running: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
        start: Mapping[str, Any] | None = None,
        first_state: Callable[[Path], object] | None = None,
    ) -> Run:
        """Makes the folder of a new run; on any failure nothing stays behind.

        Args:
          path: the folder, which must not hold anything, but what a kill left of this very making;
            None: `runs/<default_name>-<N>` with the first free N.
          architecture: as trained, with the data's classes.
          recipe: as trained, with what the command line changed.
          data: what goes into data.json.
          command: the words that repeat the run.
          seed: of weights, data order, augmentation and held out images.
          default_name: name of the network and the data, for the folder.
          running: how often states are saved; see `reszoo.runs.checkpoint_policy`.
          where: what was said about devices; `resume` goes by it too.
          start: where its first weights come from, when they are not fresh ones.
          first_state: writes these into the folder of states, before the folder counts as a run.

        Raises:
          UserError: the folder is taken.
          MachineError: it cannot be written.
        """
        folder, made = claim(None if path is None else Path(path), default_name)
        info = _birth(folder.name, command, seed)
        info |= {"running": dict(running or {}), "where": dict(where or {})}
        run = cls(folder, info if start is None else {**info, "start": dict(start)})
        try:
            with run.lock():
                run._write_all(architecture, recipe, data, first_state)
        except UserError:  # Another process makes the same run just now.
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
          UserError: there is none, or it is not a run, or it is damaged or from a newer reszoo.
        """
        path = Path(path)
        if not path.is_dir():
            hint = "`reszoo train` makes one" if not path.exists() else "a run is a folder"
            raise UserError(f"there is no run folder {path}", hint=hint)
        if not (path / "run.json").is_file():
            raise UserError(
                f"{path} is not a run folder",
                expected="a folder with run.json, as `reszoo train` leaves it",
                found=contents(path),
            )
        info = _read_json(path / "run.json")
        if info.get("format") != FORMAT:
            raise UserError(f"{path / 'run.json'} does not describe a run of reszoo")
        if not isinstance(version := info.get("format_version"), int) or version > FORMAT_VERSION:
            raise UserError(
                f"{path} was written in a format that this reszoo does not know",
                expected=f"format version {FORMAT_VERSION} or older",
                found=str(version),
                hint="install a newer reszoo",
            )
        return cls(path, info)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def state(self) -> State:
        """What the run was doing when it last said so."""
        return self.info["state"]  # type: ignore[no-any-return]

    @property
    def seed(self) -> int:
        """The seed of weights, data order, augmentation and held out images."""
        return int(self.info["seed"])

    @property
    def model_path(self) -> Path:
        """Where the trained network lies, once there is one."""
        return self.path / "model.keras"

    @property
    def checkpoints(self) -> Path:
        """The folder of states from which the run goes on."""
        return self.path / "checkpoints"

    def architecture(self) -> Architecture:
        """The network as trained."""
        return spec.load(self._existing("architecture.yaml"))

    def recipe(self) -> Recipe:
        """The recipe as trained."""
        return spec.load_recipe(self._existing("recipe.yaml"))

    def data(self) -> dict[str, Any]:
        """data.json: name, classes, counts per split, validation."""
        return _read_json(self._existing("data.json"))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, oldest first; empty before the first epoch ends."""
        return read_lines(self.path / "metrics.jsonl")

    def timing(self) -> list[dict[str, Any]]:
        """The lines of timing.jsonl, oldest first."""
        return read_lines(self.path / "timing.jsonl")

    def lock(self) -> AbstractContextManager[None]:
        """Holds the run for this process; see `reszoo.runs.lock.owned`."""
        return owned(self.path)

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl. No clock times: two equal runs write equal files."""
        append_line(self.path / "metrics.jsonl", json.dumps(values, allow_nan=False))

    def append_timing(self, values: Mapping[str, Any]) -> None:
        """Adds a line to timing.jsonl, with the time of day."""
        append_line(self.path / "timing.jsonl", json.dumps({**values, "at": _now()}))

    def newest_state(self) -> Path | None:
        """The state of the latest step, whole or not."""
        return max(self.checkpoints.glob(STATES), default=None)

    def take_back(self, count: int, epochs: int) -> None:
        """Takes back what was written after a state, as a resumed run writes it again: all but
        the first `count` lines of metrics.jsonl and the first `epochs` epochs in timing.jsonl.

        What a kill left half-written goes too: a state may be as large as the network twice.
        """
        for folder in (self.path, self.checkpoints):
            for partial in folder.glob(PARTIALS):
                partial.unlink(missing_ok=True)
        timing = [line for line in self.timing() if line.get("epoch", 0) <= epochs]
        kept = {"metrics.jsonl": self.metrics()[:count], "timing.jsonl": timing}
        for name, lines in kept.items():
            # Rewritten even when no line goes: half a line left by a power cut must not stay.
            if (self.path / name).exists():
                write_lines(self.path / name, lines)

    def set_state(self, state: State, **facts: Any) -> None:
        """Says in run.json what the run is doing, with further facts (devices, accuracy, ...)."""
        self.info = {**self.info, **facts, "state": state, "changed": _now()}
        self._write_info()

    def write_architecture(self, architecture: Architecture) -> None:
        """Writes the network as trained, whole."""
        write_text(self.path / "architecture.yaml", spec.to_yaml(architecture))

    def write_recipe(self, recipe: Recipe) -> None:
        """Writes the recipe as trained, whole."""
        write_text(self.path / "recipe.yaml", spec.to_yaml(recipe))

    def _write_all(
        self,
        architecture: Architecture,
        recipe: Recipe,
        data: Mapping[str, Any],
        first_state: Callable[[Path], object] | None,
    ) -> None:
        """Writes a new run's files; run.json comes last, and with it the folder is a run."""
        self.write_architecture(architecture)
        self.write_recipe(recipe)
        write_json(self.path / "data.json", {"format_version": FORMAT_VERSION, **data})
        shutil.rmtree(self.checkpoints, ignore_errors=True)  # of a making that was cut short
        self.checkpoints.mkdir()
        if first_state is not None:
            first_state(self.checkpoints)
        self._write_info()

    def _write_info(self) -> None:
        write_json(self.path / "run.json", self.info)

    def _existing(self, name: str) -> Path:
        if not (path := self.path / name).is_file():
            raise UserError(f"the run {self.path} is damaged", expected=name, found="no such file")
        return path


def _birth(name: str, command: Sequence[str], seed: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "state": "running",
        "command": list(command),
        "seed": seed,
        "created": _now(),
        "changed": _now(),
        "versions": versions(),
        "machine": machine(),
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}", found=error.strerror) from error
    except ValueError as error:
        raise UserError(f"{path} is damaged", expected="JSON", found=str(error)) from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is damaged", expected="a JSON object", found=type(value).__name__)
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
