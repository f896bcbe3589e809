"""When checkpoints are written and how many are kept: options of a run that change no result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reszoo.errors import UserError

_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval within an epoch: a number of steps, or a time."""

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str | int) -> Interval:
        """Parses `500`, `500steps`, `90s`, `10min` or `2h`; raises UserError for anything else."""
        match = _INTERVAL.fullmatch(str(text).strip().lower())
        number, unit = match.groups() if match else ("0", "")
        if unit in _SECONDS and float(number) > 0:
            return cls(seconds=float(number) * _SECONDS[unit])
        if unit in ("", "step", "steps") and number.isdecimal() and int(number) > 0:
            return cls(steps=int(number))
        raise UserError(
            "this is not an interval between checkpoints",
            expected="a number of steps or a time, such as 500, 500steps, 90s, 10min or 2h",
            found=str(text),
            hint="write 10min",
        )

    def __str__(self) -> str:
        if self.steps is not None:
            return f"{self.steps}steps"
        seconds = self.seconds or 0.0
        minutes = seconds / 60
        return f"{minutes:g}min" if minutes.is_integer() else f"{seconds:g}s"

    def due(self, step: int, seconds: float, done: int = 1) -> bool:
        """Returns whether the interval is over after step `step`, `seconds` after the last time.

        Steps are counted from the first one of the training, so that a resumed run keeps the beat.
        `done` is the number of steps that ran together last.
        """
        if self.steps is not None:
            return step // self.steps > (step - done) // self.steps
        return seconds >= (self.seconds or 0.0)


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """When checkpoints are written and how many are kept; run.json holds it for `resume`."""

    checkpoint_every: Interval = Interval(seconds=300.0)
    """Interval within an epoch; the end of each epoch writes a checkpoint in any case."""
    keep_checkpoints: int = 2
    """Number of the latest checkpoints that are kept."""

    def changed(self, **options: Any) -> CheckpointPolicy:
        """Returns this policy with the given options replaced; None leaves an option unchanged."""
        changes = {name: value for name, value in options.items() if value is not None}
        if "checkpoint_every" in changes:
            changes["checkpoint_every"] = Interval.parse(changes["checkpoint_every"])
        if (keep := changes.get("keep_checkpoints", 1)) < 1:
            raise UserError(
                "a run keeps its last checkpoint",
                expected="1 or more",
                found=str(keep),
                hint="--keep-checkpoints 1",
            )
        return replace(self, **changes)

    def facts(self) -> dict[str, Any]:
        """Returns what run.json records, from which `changed` restores the policy."""
        return {
            "checkpoint_every": str(self.checkpoint_every),
            "keep_checkpoints": self.keep_checkpoints,
        }

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> CheckpointPolicy:
        """Returns the policy in a run.json; the defaults where it has none."""
        return cls().changed(**info.get("running", {}))
