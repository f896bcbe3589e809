"""The checkpoints of a run: the last few, from which it resumes, and the best."""

from __future__ import annotations

from pathlib import Path

from reszoo.errors import UserError
from reszoo.runs.checkpoint_listing import list_checkpoints
from reszoo.training.checkpoint.checkpoint_file import (
    Checkpoint,
    DamagedCheckpoint,
    read_checkpoint,
    write_checkpoint,
)

_BEST = "best.safetensors"
_BEST_V1 = "best.state"


class Checkpoints:
    """The checkpoints of one run: the last few, and the best.

    Args:
      folder: where they are.
      keep: how many of the last ones are kept.
      writes: whether this process writes them; of several workers, only the chief does.
    """

    def __init__(self, folder: Path, keep: int = 2, *, writes: bool = True) -> None:
        self.folder = folder
        self.keep = keep
        self.writes = writes

    def save_last(self, checkpoint: Checkpoint, steps: int) -> Path:
        """Writes the checkpoint after `steps` steps; older ones go only once it is complete.

        Those of a later step go too: they were damaged, or the run would have resumed from them.
        """
        path = self.folder / f"step-{steps:09d}.safetensors"
        if not self.writes:
            return path
        write_checkpoint(path, checkpoint)
        saved = list_checkpoints(self.folder)
        position = saved.index(path)
        first_kept = max(0, position + 1 - self.keep)
        for other in saved[:first_kept] + saved[position + 1 :]:
            other.unlink(missing_ok=True)
        return path

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Writes the best checkpoint so far."""
        if self.writes:
            write_checkpoint(self.folder / _BEST, checkpoint)
            (self.folder / _BEST_V1).unlink(missing_ok=True)

    def last(self) -> Checkpoint | None:
        """Returns the newest checkpoint that is undamaged, or None where there is no checkpoint.

        Raises:
          UserError: there are checkpoints, and all of them are damaged.
        """
        damaged = []
        for path in reversed(list_checkpoints(self.folder)):
            try:
                checkpoint = read_checkpoint(path)
            except DamagedCheckpoint as error:
                damaged.append(f"{path.name} ({error})")
                continue
            notes = {"damaged": damaged} if damaged else {}
            return Checkpoint({**checkpoint.facts, **notes}, checkpoint.arrays)
        if damaged:
            raise UserError(
                f"no checkpoint in {self.folder} can be read",
                found=", ".join(damaged),
                hint="train again with the command in run.json",
            )
        return None

    def best(self) -> Checkpoint:
        """Returns the best checkpoint."""
        path = self.folder / _BEST
        if not path.exists() and (old := self.folder / _BEST_V1).exists():
            path = old
        try:
            return read_checkpoint(path)
        except DamagedCheckpoint as error:
            raise UserError(
                f"{path} cannot be read",
                found=str(error),
                hint="train again with the command in run.json",
            ) from error
