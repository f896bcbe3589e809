"""How good is the network so far, which of its weights are kept, and what is saved in the end?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from reszoo.data import ImageFormat
from reszoo.data.pipeline.batches import batches
from reszoo.inference.evaluate import batch_size_for
from reszoo.model.saving import save_model
from reszoo.runs import Run
from reszoo.training.checkpoint.checkpoints import (
    Checkpoint,
    Checkpoints,
    read_variables,
    write_variables,
)
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.job import TrainingJob
from reszoo.training.loop.loop import Loop


class Validator:
    """Validates a model as it trains, and keeps the best of it.

    Args:
      job: what is trained; it says what is held out and which weights are kept.
      placement: where; it says which of the held out images this worker takes.
      loop: of the model.
      model: that trains.
      image_format: of the held out images.
    """

    def __init__(
        self,
        job: TrainingJob,
        placement: DeviceSetup,
        loop: Loop,
        model: keras.Model,
        image_format: ImageFormat,
    ) -> None:
        self.job = job
        self.placement = placement
        self.loop = loop
        self.model = model
        self.image_format = image_format
        self.best: dict[str, float] | None = None
        """Epoch and metrics of the best epoch so far."""

    def validate(self, watch: Callable[[Iterable[Any]], Iterable[Any]]) -> dict[str, float]:
        """The metrics on the held out images; none where none are held out.

        Args:
          watch: is handed the batches and hands them on.
        """
        if self.job.held_out is None:
            return {}
        replicas = self.placement.replicas
        source = batches(
            self.job.held_out,
            self.image_format,
            batch_size=-(-batch_size_for(self.image_format) // replicas) * replicas,
            pad=self.placement.pads,
            share=self.placement.share,
        )
        return self.loop.evaluate(source, watch)

    def keep_if_best(self, checkpoints: Checkpoints, epoch: int, seen: dict[str, float]) -> None:
        """Writes the weights as the best, if they are: after `epoch` epochs, with these metrics."""
        candidate = {"epoch": epoch, **seen}
        if self.best is None or not seen or _rank(candidate) >= _rank(self.best):
            self.best = candidate
            checkpoints.save_best(Checkpoint(candidate, read_variables(model=self.model)))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The moving average of the weights in their place, where the recipe asks for one."""
        if self.job.recipe.ema is None:
            yield
            return
        raw = read_variables(model=self.model)
        self._average()
        try:
            yield
        finally:
            write_variables(raw, model=self.model)

    def save(self, run: Run, checkpoints: Checkpoints, last_word: Callable[[], None]) -> None:
        """Writes model.keras: canonical float32 layers with the weights that the recipe keeps.

        Args:
          run: gets the file.
          checkpoints: hold the best weights.
          last_word: is called once the model has its weights, and may give it others.
        """
        if self.job.recipe.validation.keep == "best":
            write_variables(checkpoints.best().arrays, model=self.model)
        elif self.job.recipe.ema is not None:
            self._average()
        last_word()
        if self.placement.is_chief:
            names = self.job.data.classes
            save_model(self.model, run.model_path, spec=self.job.architecture, classes=names)

    def _average(self) -> None:
        frozen = [layer for layer in self.model.layers if not layer.trainable]
        kept = [layer.get_weights() for layer in frozen]
        self.loop.optimizer.finalize_variable_values(self.loop.learning)
        for layer, values in zip(frozen, kept, strict=True):
            layer.set_weights(values)  # An average of equal numbers is not always that number.


def _rank(seen: dict[str, float]) -> tuple[float, float]:
    return seen["val_accuracy"], -seen["val_loss"]
