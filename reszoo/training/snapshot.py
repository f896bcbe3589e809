"""Snapshots: a training's position, variables and callbacks as a checkpoint, and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from reszoo.training.assembly import Assembly
from reszoo.training.checkpoint.checkpoint_file import Checkpoint
from reszoo.training.checkpoint.variables import all_finite, read_variables, write_variables

_CALLBACKS = "callbacks:"
"""Prefix of the names of what callbacks keep, among the arrays of a checkpoint."""


@dataclass(slots=True)
class Position:
    """How far a training is."""

    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Steps that are done in the current epoch."""
    steps: int = 0
    """Steps that are done in all."""
    seconds: float = 0.0
    """Duration of the current epoch so far, without what a kill lost."""
    metrics_lines: int = 0
    """Lines of metrics.jsonl."""
    ended: bool = False
    """Whether a callback or early stopping ended the training here."""
    patience_from: int = 0
    """Epochs that were done when a training that had ended early was given more of them."""


def take_snapshot(position: Position, assembly: Assembly) -> Checkpoint:
    """Returns a checkpoint of this moment: every variable, the best epoch, the callbacks."""
    arrays = read_variables(**_owners(assembly)) | assembly.loop.replicas.read()
    facts = asdict(position)
    if not position.patience_from:  # a fact that version 0.1 does not know
        del facts["patience_from"]
    kept = {_CALLBACKS + name: array for name, array in assembly.callbacks.state_arrays().items()}
    return Checkpoint({**facts, "best": assembly.validator.best}, arrays | kept)


def is_finite(checkpoint: Checkpoint) -> bool:
    """Whether every variable is a finite number: training never recovers from one that is not."""
    return all_finite(
        {name: a for name, a in checkpoint.arrays.items() if not name.startswith(_CALLBACKS)}
    )


def restore(checkpoint: Checkpoint, assembly: Assembly) -> tuple[Position, list[str]]:
    """Restores a training from a checkpoint.

    Returns:
      The position, and notes for the user about callbacks that are gone or new.
    """
    facts = checkpoint.facts
    # A checkpoint of an earlier version has fewer of them.
    known = [field.name for field in fields(Position) if field.name in facts]
    position = Position(**{name: facts[name] for name in known})
    if position.step:  # Its hook is not called again when the epoch goes on.
        assembly.callbacks.epoch_begin(position.epoch)
    write_variables(checkpoint.arrays, **_owners(assembly))
    assembly.loop.replicas.write(checkpoint.arrays)
    assembly.validator.best = facts["best"]
    assembly.loop.restore_step(position.steps)
    kept = {
        name.removeprefix(_CALLBACKS): array
        for name, array in checkpoint.arrays.items()
        if name.startswith(_CALLBACKS)
    }
    return position, assembly.callbacks.restore_arrays(kept)


def _owners(assembly: Assembly) -> dict[str, Any]:
    return {"model": assembly.model, **assembly.loop.owners}
