"""Lost work: a training that was killed is given out again, but not for ever."""

from __future__ import annotations

from pathlib import Path

from reszoo.runs.checkpoint_listing import newest_checkpoint

MAX_RESTARTS = 3
"""How often in a row a training that died is started again without a new checkpoint."""


class LostWork:
    """Counts how often in a row the training of a run was lost without a new checkpoint."""

    def __init__(self, run: Path) -> None:
        self._checkpoints = run / "checkpoints"
        self._newest = newest_checkpoint(self._checkpoints)
        self.losses = 0

    def may_restart(self) -> bool:
        """Counts a loss, and returns whether the training may be started again."""
        newest = newest_checkpoint(self._checkpoints)
        self.losses = self.losses + 1 if newest == self._newest else 0
        self._newest = newest
        return self.losses <= MAX_RESTARTS

    def failure(self, reason: str) -> str:
        """Returns the message of a training that may not be started again."""
        return f"{self.losses} times in a row without a new checkpoint, {reason}"
