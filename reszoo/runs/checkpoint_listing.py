"""Checkpoint files of a run, in the order of their steps, whichever version wrote them."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"step-(\d+)\.(?:state|safetensors)")


def checkpoint_step(path: Path) -> int | None:
    """Returns the step in a checkpoint's name; None for any other file, such as the best one."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def list_checkpoints(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder by step, oldest first, whole or not.

    Version 0.1 wrote `.state`; of two checkpoints of one step, the one in safetensors is newer.
    """
    paths = [path for path in folder.glob("step-*") if checkpoint_step(path) is not None]
    return sorted(paths, key=lambda path: (checkpoint_step(path) or 0, path.suffix != ".state"))


def newest_checkpoint(folder: Path) -> Path | None:
    """Returns the checkpoint of the latest step, whole or not; None where there is none."""
    return next(reversed(list_checkpoints(folder)), None)
