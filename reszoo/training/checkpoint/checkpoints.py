"""The states from which a training goes on: what they hold, how they are written and read.

A state is one file: a line of JSON (what it is, the checksum of the rest, facts) and then NumPy's
`.npz`. It holds every variable that training changes; Keras's own `.weights.h5` leaves out the
seed generators, without which dropout does not go on where it stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reszoo.atomic_files import atomic_file
from reszoo.errors import UserError
from reszoo.model.copy_weights import settle
from reszoo.runs.run import STATES

FORMAT = "reszoo state"
FORMAT_VERSION = 1

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Facts about a moment of a training, and its variables by name."""

    facts: Mapping[str, Any]
    arrays: Arrays


class DamagedCheckpoint(Exception):
    """A state file that is cut off, changed or not one of ours."""


class Checkpoints:
    """The states of one run: the last few, and the best.

    Args:
      folder: where they lie.
      keep: how many of the last are kept.
      writes: whether this process is the one that writes them; of several workers, the chief.
    """

    def __init__(self, folder: Path, keep: int = 2, *, writes: bool = True) -> None:
        self.folder = folder
        self.keep = keep
        self.writes = writes

    def save_last(self, state: Checkpoint, steps: int) -> Path:
        """Writes the state after `steps` steps; older ones go only once this one stands.

        So do those of a later step: they were damaged, or the run would have gone on from them.
        """
        path = self.folder / f"step-{steps:09d}.state"
        if not self.writes:
            return path
        write_state(path, state)
        later = [other for other in self._steps() if other > path]
        for other in later + self._steps()[len(later) + self.keep :]:
            other.unlink(missing_ok=True)
        return path

    def save_best(self, state: Checkpoint) -> None:
        """Writes the best state so far."""
        if self.writes:
            write_state(self.folder / "best.state", state)

    def last(self) -> Checkpoint | None:
        """The newest state that is whole, or None when nothing was saved yet.

        Raises:
          UserError: there are states, and all of them are damaged.
        """
        damaged = []
        for path in self._steps():
            try:
                state = read_state(path)
            except DamagedCheckpoint as error:
                damaged.append(f"{path.name} ({error})")
                continue
            notes = {"damaged": damaged} if damaged else {}
            return Checkpoint({**state.facts, **notes}, state.arrays)
        if damaged:
            raise UserError(
                f"no state in {self.folder} can be read",
                found=", ".join(damaged),
                hint="train again with the command in run.json",
            )
        return None

    def best(self) -> Checkpoint:
        """The best state.

        Raises:
          UserError: it is missing or damaged.
        """
        try:
            return read_state(self.folder / "best.state")
        except DamagedCheckpoint as error:
            raise UserError(
                f"{self.folder / 'best.state'} cannot be read", found=str(error)
            ) from error

    def newest_name(self) -> str | None:
        """The file of the newest state, for messages."""
        return next((str(path) for path in self._steps()), None)

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob(STATES), reverse=True)


def write_state(path: Path, state: Checkpoint) -> None:
    """Writes a state whole or not at all, with the checksum of its variables."""
    payload = io.BytesIO()
    np.savez(payload, allow_pickle=False, **state.arrays)
    content = payload.getbuffer()
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "facts": dict(state.facts),
    }
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(content)


def read_state(path: Path) -> Checkpoint:
    """Reads a state.

    Raises:
      DamagedState: with the reason, when the file is not whole.
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(1 << 20))
            content = file.read()
        if header["format"] != FORMAT or header["format_version"] > FORMAT_VERSION:
            raise DamagedCheckpoint("not a state that this reszoo knows")
        if len(content) != header["bytes"]:
            raise DamagedCheckpoint(f"{len(content)} of {header['bytes']} bytes")
        if hashlib.sha256(content).hexdigest() != header["sha256"]:
            raise DamagedCheckpoint("its checksum differs")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return Checkpoint(header["facts"], {name: stored[name] for name in stored.files})
    except OSError as error:
        raise DamagedCheckpoint(error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint("not a state file") from error


def read_variables(**owners: Any) -> Arrays:
    """Every variable of models, optimizers and metrics, by owner, position and name.

    `model.variables` holds the states of seed generators too, unlike `model.weights`.
    """
    named = (pair for owner, holder in owners.items() for pair in _named(owner, holder))
    return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in named}


def all_finite(arrays: Arrays) -> bool:
    """Whether all numbers in all arrays are numbers."""
    return all(np.isfinite(one).all() for one in arrays.values() if one.dtype.kind == "f")


def write_variables(arrays: Arrays, **owners: Any) -> None:
    """Gives variables the values that `read_variables` took.

    Raises:
      UserError: they belong to another network or optimizer.
    """
    named = [pair for owner, holder in owners.items() for pair in _named(owner, holder)]
    for name, variable in named:
        if name not in arrays or arrays[name].shape != tuple(variable.shape):
            found = str(arrays[name].shape) if name in arrays else "no such variable"
            raise UserError(
                "a saved state belongs to another network or recipe",
                expected=f"{name} of shape {tuple(variable.shape)}",
                found=found,
                hint="architecture.yaml and recipe.yaml of a run must stay as they were written",
            )
    for name, variable in named:
        variable.assign(arrays[name])
    for holder in owners.values():
        if isinstance(holder, keras.Model):
            settle(holder)


def _named(owner: str, holder: Any) -> Iterator[tuple[str, Any]]:
    for position, variable in enumerate(holder.variables):
        # Seed generators are numbered as a process makes them, so their path is not the same again.
        seed = variable.name == "seed_generator_state"
        yield f"{owner}/{position}/{variable.name if seed else variable.path}", variable
