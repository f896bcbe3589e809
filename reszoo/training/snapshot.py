"""How far is a training, and what of it goes into a state and comes back?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from reszoo.training.assembly import Assembly
from reszoo.training.callbacks import Callbacks
from reszoo.training.checkpoint.checkpoints import (
    Checkpoint,
    all_finite,
    read_variables,
    write_variables,
)

_REMEMBERED = "callbacks:"
"""Before the names of what callbacks know, among the arrays of a state."""


@dataclass(slots=True)
class Position:
    """A moment of a training."""

    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Steps that are done in the epoch after them."""
    steps: int = 0
    """Steps that are done in all."""
    seconds: float = 0.0
    """What the epoch took so far; what a kill lost does not count."""
    metrics_lines: int = 0
    """Lines of metrics.jsonl."""
    ended: bool = False
    """Whether a callback ended the training here."""


def take(position: Position, parts: Assembly, callbacks: Callbacks) -> Checkpoint:
    """The state at this moment: every variable, and what callbacks and the judge know."""
    arrays = read_variables(**_owners(parts)) | parts.loop.replicas.read()
    remembered = {_REMEMBERED + name: array for name, array in callbacks.memory().items()}
    return Checkpoint({**asdict(position), "best": parts.judge.best}, arrays | remembered)


def is_sound(state: Checkpoint) -> bool:
    """Whether a training can go on from a state: what is not a number never becomes one again."""
    return all_finite(
        {name: one for name, one in state.arrays.items() if not name.startswith(_REMEMBERED)}
    )


def restore(state: Checkpoint, parts: Assembly, callbacks: Callbacks) -> tuple[Position, list[str]]:
    """Brings everything back to a state.

    Returns:
      The position, and what a person should hear about callbacks.

    Raises:
      UserError: it is another network's.
    """
    position = Position(**{field.name: state.facts[field.name] for field in fields(Position)})
    if position.step:  # Its hook is not called again when the epoch goes on.
        callbacks.epoch_begin(position.epoch)
    write_variables(state.arrays, **_owners(parts))
    parts.loop.replicas.write(state.arrays)
    parts.judge.best = state.facts["best"]
    parts.loop.go_to(position.steps)
    remembered = {
        name.removeprefix(_REMEMBERED): array
        for name, array in state.arrays.items()
        if name.startswith(_REMEMBERED)
    }
    return position, callbacks.remember(remembered)


def _owners(parts: Assembly) -> dict[str, Any]:
    return {"model": parts.model, **parts.loop.owners}
