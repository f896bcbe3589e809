"""Validation: metrics on the held-out images, the best epoch so far, and the weights to keep."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reszoo.data import ImageFormat
from reszoo.data.pipeline.batches import batches
from reszoo.inference.predict import batch_size_for
from reszoo.training.checkpoint.checkpoint_file import Checkpoint
from reszoo.training.checkpoint.checkpoints import Checkpoints
from reszoo.training.checkpoint.variables import read_variables, write_variables
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.job import TrainingJob
from reszoo.training.loop.loop import Loop


class Validator:
    """Validates a model while it trains, and keeps the weights of its best epoch."""

    def __init__(
        self, job: TrainingJob, setup: DeviceSetup, loop: Loop, image_format: ImageFormat
    ) -> None:
        self.job = job
        self.setup = setup
        self.loop = loop
        self.model = loop.model
        self.image_format = image_format
        self.best: dict[str, float] | None = None
        """Epoch and metrics of the best epoch so far."""

    def validate(self, watch: Callable[[Iterable[Any]], Iterable[Any]]) -> dict[str, float]:
        """Returns the metrics on the held-out images; an empty dict where none are held out."""
        if self.job.val_split is None:
            return {}
        replicas = self.setup.replicas
        source = batches(
            self.job.val_split,
            self.image_format,
            batch_size=-(-batch_size_for(self.image_format) // replicas) * replicas,
            pad=self.setup.pads,
            share=self.setup.share,
        )
        return self.loop.evaluate(source, watch)

    def save_if_best(self, checkpoints: Checkpoints, epoch: int, metrics: dict[str, float]) -> None:
        """Saves the weights as the best ones if the metrics after `epoch` epochs are the best."""
        candidate = {"epoch": epoch, **metrics}
        if self.best is None or not metrics or _rank(candidate) >= _rank(self.best):
            self.best = candidate
            checkpoints.save_best(Checkpoint(candidate, read_variables(model=self.model)))

    @contextlib.contextmanager
    def ema_weights(self) -> Iterator[None]:
        """Puts the moving average of the weights in their place, where the recipe has one."""
        if self.job.recipe.ema is None:
            yield
            return
        raw = read_variables(model=self.model)
        self._assign_ema()
        try:
            yield
        finally:
            write_variables(raw, model=self.model)

    def load_kept_weights(self, checkpoints: Checkpoints) -> None:
        """Gives the model the weights that the recipe keeps: the best, the average or the last."""
        if self.job.recipe.validation.keep == "best":
            write_variables(checkpoints.best().arrays, model=self.model)
        elif self.job.recipe.ema is not None:
            self._assign_ema()

    def _assign_ema(self) -> None:
        frozen = [layer for layer in self.model.layers if not layer.trainable]
        weights = [layer.get_weights() for layer in frozen]
        self.loop.optimizer.finalize_variable_values(self.loop.variables)
        for layer, values in zip(frozen, weights, strict=True):
            layer.set_weights(values)  # An average of equal numbers is not always that number.


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    return metrics["val_accuracy"], -metrics["val_loss"]
