"""What the converted file of an untrained candidate costs, and the log of what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reszoo.atomic_files import append_line
from reszoo.errors import UserError
from reszoo.runs.jsonl import read_lines, write_lines


@dataclass(frozen=True, slots=True)
class Measurement:
    """The measured costs of a network; those that it was not measured by are None."""

    file_bytes: int | None = None
    """Bytes of the `.tflite`."""
    macs: int | None = None
    """Multiply-adds of the `.tflite` for one image."""
    arena_bytes: int | None = None
    """Bytes of the arena in TFLite-Micro (`reszoo.tflite.arena.Arena.bytes`)."""
    latency_ms: float | None = None
    """CPU milliseconds of one image on one thread of the machine that measured."""
    problems: tuple[str, ...] = ()
    """What keeps the file from meeting the target, its limits included."""


class MeasurementLog:
    """The file `measured.jsonl` of a search folder: one line for each network.

    It belongs to the results that proposals are a function of: a search that goes on reads it, and
    measures nothing twice. Without a path, the log is in memory alone.

    Raises:
      UserError: the file is damaged; a last line that a crash cut off is no damage.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._rows: dict[str, Measurement] = {}
        if path is not None and path.exists():
            self._rows = dict(_read(path))

    @property
    def count(self) -> int:
        """Number of networks that were measured."""
        return len(self._rows)

    def get(self, network: str) -> Measurement | None:
        """Returns the measurement of a network, by its `reszoo.spec.fingerprint`."""
        return self._rows.get(network)

    def add(self, network: str, measurement: Measurement) -> None:
        """Records a measurement."""
        self._rows[network] = measurement
        if self._path is not None:
            row = {"network": network, **asdict(measurement)}
            append_line(self._path, json.dumps(row, allow_nan=False))


def _read(path: Path) -> Iterator[tuple[str, Measurement]]:
    rows = read_lines(path)
    if not path.read_bytes().endswith(b"\n"):  # or the next line would continue the one cut off
        write_lines(path, rows)
    for row in rows:
        try:
            yield str(row.pop("network")), measurement_of(row)
        except (KeyError, TypeError) as error:
            raise UserError(
                "the log of measurements is damaged",
                where=str(path),
                found=str(error),
                hint=f"delete the line that has other fields from {path}",
            ) from None


def measurement_of(row: dict[str, Any]) -> Measurement:
    """Returns a measurement from its JSON; raises TypeError for other fields."""
    return Measurement(**{**row, "problems": tuple(row.get("problems", ()))})
