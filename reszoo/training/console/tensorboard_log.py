"""TensorBoard curves, where that package is installed: TensorFlow alone cannot write them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf


class TensorBoardLog:
    """Writes the metrics of each epoch to `<run>/tensorboard`; nothing without the package."""

    def __init__(self, run_folder: Path, *, writes: bool = True) -> None:
        self._folder = run_folder / "tensorboard"
        self._writer: tf.summary.SummaryWriter | None = None
        self._writes = writes and importlib.util.find_spec("tensorboard") is not None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Adds a point to each curve."""
        if not self._writes:
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._folder))
        with self._writer.as_default():
            for name, value in values.items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value, step=step)
        self._writer.flush()
