"""How is a training run: what a recipe does not say, because it changes no result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reszoo.errors import UserError

_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
_WORD = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")


@dataclass(frozen=True, slots=True)
class Interval:
    """How often something is done inside an epoch: every so many steps, or so much time."""

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, word: str | int) -> Interval:
        """The cadence of `500`, `500steps`, `90s`, `10min` or `2h`.

        Raises:
          UserError: it is none of these.
        """
        found = _WORD.fullmatch(str(word).strip().lower())
        number, unit = found.groups() if found else ("0", "")
        if unit in _SECONDS and float(number) > 0:
            return cls(seconds=float(number) * _SECONDS[unit])
        if unit in ("", "step", "steps") and number.isdecimal() and int(number) > 0:
            return cls(steps=int(number))
        raise UserError(
            "this is not how often a state can be saved",
            expected="so many steps or so much time, such as 500, 500steps, 90s, 10min or 2h",
            found=str(word),
        )

    def __str__(self) -> str:
        if self.steps is not None:
            return f"{self.steps}steps"
        seconds = self.seconds or 0.0
        minutes = seconds / 60
        return f"{minutes:g}min" if minutes.is_integer() else f"{seconds:g}s"

    def due(self, step: int, seconds: float) -> bool:
        """Whether it is time after `step` steps of the training, `seconds` after the last time.

        Counted from the training's first step, so that a run that goes on keeps the same beat.
        """
        if self.steps is not None:
            return step % self.steps == 0
        return seconds >= (self.seconds or 0.0)


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """What the command line says about how a run is run; run.json keeps it for `resume`."""

    checkpoint_every: Interval = Interval(seconds=300.0)
    """How often a state is written inside an epoch; at the end of each one is written anyway."""
    keep_checkpoints: int = 2
    """How many of the last states are kept."""

    def changed(self, **words: Any) -> CheckpointPolicy:
        """This, with what was said in words; None leaves a field as it is.

        Raises:
          UserError: a word makes no sense.
        """
        said = {name: word for name, word in words.items() if word is not None}
        if "checkpoint_every" in said:
            said["checkpoint_every"] = Interval.parse(said["checkpoint_every"])
        if (keep := said.get("keep_checkpoints", 1)) < 1:
            raise UserError("a run keeps its last state", expected="1 or more", found=str(keep))
        return replace(self, **said)

    def facts(self) -> dict[str, Any]:
        """What run.json says about it: the words from which `changed` makes it again."""
        return {
            "checkpoint_every": str(self.checkpoint_every),
            "keep_checkpoints": self.keep_checkpoints,
        }

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> CheckpointPolicy:
        """What a run.json says; the defaults where it says nothing."""
        return cls().changed(**info.get("running", {}))
