"""One training from its first step, or from its last state, to the trained network in its run."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from reszoo import model as models
from reszoo.data import Geometry, Split, batches, evaluation_geometry, training_geometry
from reszoo.errors import GateError
from reszoo.plan import plan
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture
from reszoo.train.board import Board
from reszoo.train.checkpoint import (
    Checkpoints,
    State,
    read_variables,
    write_variables,
)
from reszoo.train.evaluate import batch_size_for
from reszoo.train.freezing import freezing, paces
from reszoo.train.loading import at_size
from reszoo.train.loop import Loop
from reszoo.train.losses import example_losses
from reszoo.train.optimizer import make_optimizer
from reszoo.train.prepare import Job
from reszoo.train.progress import Progress
from reszoo.train.schedule import keras_rate, rates
from reszoo.train.signals import StopRequest, TrainingStopped
from reszoo.train.start import Start, require_fresh
from reszoo.train.statistics import give_mean_image, outside_pixel
from reszoo.train.strategy import Placement

CHECKPOINT_SECONDS = 300.0
"""Inside an epoch a state is written this often. It changes no result: a run goes on from any."""


class Session:
    """A model, its loop and its run folder while they train.

    Building it builds the model, so that a network that cannot be built is found before a run
    folder is made; `attach` then gives it the folder.
    """

    def __init__(
        self,
        job: Job,
        placement: Placement,
        *,
        seed: int,
        callbacks: Sequence[Any] = (),
        start: Start | None = None,
    ) -> None:
        self.job = job
        self.placement = placement
        self.seed = seed
        self.started = start is not None
        recipe = job.recipe
        self.training_geometry = training_geometry(job.architecture.input)
        self.geometry = evaluation_geometry(job.architecture.input)
        with placement.strategy.scope():
            self.model = self._build(self.training_geometry)
            # A second, larger or smaller network where a spec trains and evaluates at two sizes.
            same = self.geometry.shape == self.training_geometry.shape
            self.judge = self.model if same else self._build(self.geometry)
            if start is not None:
                start.give(self.model, start.new_layers(job.data))
            self.freezing = freezing(plan(job.architecture), recipe)
            learning, pace = paces(self.model, self.freezing, recipe, job.steps)
            rate = keras_rate(recipe.schedule, job.steps * recipe.epochs)
            optimizer = make_optimizer(
                recipe.optimizer, rate, ema=recipe.ema, paced=pace is not None
            )
            # Only for callbacks, which look for `model.optimizer`; nothing is traced here.
            self.model.compile(optimizer=optimizer, jit_compile=False)
        self.loop = Loop(
            self.model,
            optimizer,
            recipe.optimizer,
            batch=job.batch,
            strategy=placement.strategy,
            losses=example_losses(recipe, job.class_weights),
            judge=self.judge,
            learning=learning,
            paces=pace,
        )
        self.rates = rates(recipe.schedule, job.steps * recipe.epochs)
        self.callbacks = keras.callbacks.CallbackList(list(callbacks), model=self.model)
        self.epoch = 0
        self.step = 0
        self.best: dict[str, float] | None = None

    def attach(self, run: Run, *, until: int, quiet: bool = False) -> State | None:
        """Takes the run folder, to train until it has `until` epochs; goes to its last state."""
        self.run = run
        self.until = until
        self.checkpoints = Checkpoints(run.checkpoints)
        self.board = Board(run.path)
        if state := self.checkpoints.last():
            self._restore(state)
        elif not self.started:
            require_fresh(run)
            give_mean_image(self.model, *self._seen)
        self.outside = outside_pixel(self.model, *self._seen)
        self.freezing.apply(self.model, self.epoch)
        run.keep_metrics(state.facts["metrics_lines"] if state else 0)
        self.progress = Progress(
            until, self.job.steps, self.job.batch, done=self.loop.steps, quiet=quiet
        )
        if self.started:
            self._save_state()  # The weights it began with, which only its source knew.
        return state

    def train(self) -> None:
        """Trains until the epochs are done, and leaves model.keras in the run.

        Raises:
          TrainingStopped: a signal came; the state is saved.
          GateError: the loss is no longer a number.
        """
        with StopRequest() as request, contextlib.closing(self.progress):
            self.callbacks.on_train_begin()
            self.model.stop_training = False
            while self.epoch < self.until and not self.model.stop_training:
                # A signal may have come during the validation of the epoch before.
                self._stop_if_asked(request)
                self._train_epoch(request)
            self.callbacks.on_train_end()
        self._save_model()

    def _build(self, geometry: Geometry) -> keras.Model:
        return models.build(
            at_size(self.job.architecture, geometry),
            dtype=self.placement.precision,
            seed=self.seed,
            device=self.placement.device_kind,
        )

    @property
    def _seen(self) -> tuple[Architecture, Split, Geometry, int]:
        """Whose training images, in which geometry, its statistics are those of."""
        return self.job.architecture, self.job.kept, self.training_geometry, self.seed

    def _open_when_due(self) -> None:
        """Lets what was frozen learn from this epoch on, where the recipe says so."""
        if self.freezing.at(self.epoch) != self.freezing.at(self.epoch - 1):
            self.freezing.apply(self.model, self.epoch)
            self.loop.trace_again()
            self.progress.say(f"epoch {self.epoch + 1}: the frozen parts begin to learn")

    def _train_epoch(self, request: StopRequest) -> None:
        begun = saved = time.monotonic()
        self._open_when_due()
        self.callbacks.on_epoch_begin(self.epoch)
        source = batches(
            self.job.kept,
            self.training_geometry,
            batch_size=self.job.batch,
            seed=self.seed,
            epoch=self.epoch,
            start=self.step,
            augmentation=self.job.recipe.augmentation,
            fill=self.outside,
            drop_remainder=True,
        )
        for images, labels in self.loop.distributed(source):
            self.callbacks.on_train_batch_begin(self.step)
            self.loop.train(images, labels)
            self.callbacks.on_train_batch_end(self.step)
            self.step += 1
            if self.progress.wants_step():
                self._show_step()
            self._stop_if_asked(request)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save_state()
                saved = time.monotonic()
        self._end_epoch(time.monotonic() - begun)

    def _end_epoch(self, seconds: float) -> None:
        self._require_finite()
        self.loop.average_statistics()
        learned = self.loop.results(self.loop.training_metrics)
        with self._averaged():
            seen = self._validate()
            self._keep_if_best(seen)
        self.callbacks.on_epoch_end(self.epoch, {**learned, **seen})
        line = {
            "kind": "epoch",
            "epoch": self.epoch + 1,
            "step": self.loop.steps,
            "learning_rate": self._rate(),
            **learned,
            **seen,
        }
        self.run.append_metrics(line)
        self.run.append_timing({"epoch": self.epoch + 1, "seconds": round(seconds, 3)})
        self.board.write(self.loop.steps, {**learned, **seen, "learning_rate": self._rate()})
        self.epoch, self.step = self.epoch + 1, 0
        for metric in self.loop.training_metrics:
            metric.reset_state()
        self._save_state()
        self.progress.epoch(self.epoch, {**learned, **seen}, seconds)

    def _validate(self) -> dict[str, float]:
        if self.job.held_out is None:
            return {}
        if self.judge is not self.model:
            models.copy_weights(self.model, self.judge)
        size = batch_size_for(self.geometry)
        seen = self.loop.evaluate(batches(self.job.held_out, self.geometry, batch_size=size))
        if not math.isfinite(seen["val_loss"]):
            self._fail(self.loop.steps, "the validation loss")
        return seen

    def _keep_if_best(self, seen: dict[str, float]) -> None:
        candidate = {"epoch": self.epoch + 1, **seen}
        if self.best is None or not seen or _rank(candidate) >= _rank(self.best):
            self.best = candidate
            self.checkpoints.save_best(State(candidate, read_variables(model=self.model)))

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """The moving average of the weights in their place, where the recipe asks for one."""
        if self.job.recipe.ema is None:
            yield
            return
        raw = read_variables(model=self.model)
        frozen = [layer for layer in self.model.layers if not layer.trainable]
        kept = [layer.get_weights() for layer in frozen]
        self.loop.optimizer.finalize_variable_values(self.loop.learning)
        for layer, values in zip(frozen, kept, strict=True):
            layer.set_weights(values)  # An average of equal numbers is not always that number.
        try:
            yield
        finally:
            write_variables(raw, model=self.model)

    def _save_model(self) -> None:
        """Writes model.keras: canonical float32 layers with the weights that the recipe keeps."""
        if self.job.recipe.validation.keep == "best":
            write_variables(self.checkpoints.best().arrays, model=self.model)
            self._write_model()
            return
        with self._averaged():
            self._write_model()

    def _write_model(self) -> None:
        models.save(
            self.model,
            self.run.model_path,
            spec=self.job.architecture,
            classes=self.job.data.classes,
        )

    def _rate(self) -> float:
        """The rate of the last step; a callback may have changed a constant one."""
        if self.job.recipe.schedule.kind == "constant":
            return float(self.loop.optimizer.learning_rate)
        return float(self.rates[min(max(0, self.loop.steps - 1), len(self.rates) - 1)])

    def _show_step(self) -> None:
        self._require_finite()
        metrics = self.loop.results(self.loop.training_metrics)
        self.progress.step(self.epoch + 1, self.step, metrics)

    def _stop_if_asked(self, request: StopRequest) -> None:
        if request.signal_number is None:
            return
        self._save_state()
        raise TrainingStopped(
            f"training stopped in epoch {self.epoch + 1} after step {self.step} of "
            f"{self.job.steps}; everything is saved",
            found=signal.Signals(request.signal_number).name,
            hint=f"`reszoo resume {self.run.path}` goes on",
            signal_number=request.signal_number,
        )

    def _require_finite(self) -> None:
        if (step := self.loop.bad_step) is not None:
            self._fail(step, "the loss")

    def _fail(self, step: int, what: str) -> None:
        last = self.checkpoints.newest_name()
        raise GateError(
            f"{what} is no longer a number at step {step} (epoch {self.epoch + 1})",
            found=f"the last good state is {last}" if last else "no good state was saved before",
            hint="lower schedule.peak, lengthen schedule.warmup, or set optimizer.clip_norm=1 in "
            "the recipe" + ("; precision: float32 may help too" if self._is_low else ""),
        )

    @property
    def _is_low(self) -> bool:
        return self.placement.precision != "float32"

    def _save_state(self) -> None:
        self._require_finite()
        facts = {
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.loop.steps,
            "steps_per_epoch": self.job.steps,
            "metrics_lines": len(self.run.metrics()),
            "best": self.best,
        }
        self.checkpoints.save_last(State(facts, read_variables(**self._owners)), self.loop.steps)

    def _restore(self, state: State) -> None:
        write_variables(state.arrays, **self._owners)
        self.epoch, self.step = state.facts["epoch"], state.facts["step"]
        self.best = state.facts["best"]
        self.loop.go_to(state.facts["steps"])

    @property
    def _owners(self) -> dict[str, Any]:
        metrics = {metric.name: metric for metric in self.loop.training_metrics}
        return {"model": self.model, "optimizer": self.loop.optimizer, **metrics}


def _rank(seen: dict[str, float]) -> tuple[float, float]:
    return seen["val_accuracy"], -seen["val_loss"]
