"""Checkpoint files of a run, in the order of their steps, whichever version wrote them."""

from __future__ import annotations

import re
from pathlib import Path

# Version 0.1 wrote `.state`; the same step in the newer format counts as the newer one.
_NAME = re.compile(r"step-(\d+)\.(state|safetensors)")
_FORMATS = ("state", "safetensors")


def checkpoint_step(path: Path) -> int | None:
    """Returns the step in a checkpoint's name; None for any other file, such as the best one."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def list_checkpoints(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder by step, oldest first, whole or not."""
    matches = {
        path: match for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name))
    }
    return sorted(
        matches, key=lambda path: (int(matches[path][1]), _FORMATS.index(matches[path][2]))
    )


def newest_checkpoint(folder: Path) -> Path | None:
    """Returns the checkpoint of the latest step, whole or not; None where there is none."""
    return next(reversed(list_checkpoints(folder)), None)
