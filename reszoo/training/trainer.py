"""One training from its first step, or from its last state, to the trained network in its run."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from reszoo.data import ImageFormat, Split
from reszoo.data.images.resizing import training_format
from reszoo.data.pipeline.batches import batches
from reszoo.errors import GateError
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.spec.architecture import Architecture
from reszoo.training.assembly import assemble
from reszoo.training.callbacks import Callbacks
from reszoo.training.checkpoint.checkpoints import Checkpoint, Checkpoints
from reszoo.training.console.progress import Progress
from reszoo.training.console.signals import StopRequest, TrainingStopped
from reszoo.training.console.tensorboard_log import TensorBoardLog
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.distribution.workers import WorkerGroup
from reszoo.training.image_statistics import give_mean_image, outside_pixel
from reszoo.training.initial_weights import InitialWeights, require_fresh
from reszoo.training.job import TrainingJob
from reszoo.training.loop.precise_bn import recompute_statistics
from reszoo.training.optimizers.schedules import rate_callbacks, rates
from reszoo.training.snapshot import Position, is_sound, restore, take


class _Asked(Exception):
    """A signal came while the network was judged."""


class Trainer:
    """A model, its loop and its run folder while they train.

    Building it builds the model, so that a network that cannot be built is found before a run
    folder is made; `attach` then gives it the folder.
    """

    def __init__(
        self,
        job: TrainingJob,
        placement: DeviceSetup,
        *,
        seed: int,
        running: CheckpointPolicy | None = None,
        callbacks: Sequence[Any] = (),
        start: InitialWeights | None = None,
    ) -> None:
        self.job = job
        self.placement = placement
        self.seed = seed
        self.running = running or CheckpointPolicy()
        self.together = WorkerGroup(placement)
        self.parts = assemble(job, placement, seed=seed, start=start)
        self.model, self.loop, self.judge = self.parts.model, self.parts.loop, self.parts.judge
        self.rates = rates(job.recipe.schedule, job.steps * job.recipe.epochs)
        self.callbacks = Callbacks(
            [*rate_callbacks(job.recipe.schedule), *callbacks],
            self.model,
            averages=job.recipe.ema is not None,
            rate_is_free=self._rate_is_free,
            writes=placement.is_chief,
        )
        self.position = Position()
        self._begun = self._saved = time.monotonic()
        self.request = StopRequest()
        # All workers take a state together, and only the chief makes the run.
        self._first = take(self.position, self.parts, self.callbacks) if start else None

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return self.position.epoch

    def write_start(self, folder: Path) -> None:
        """Writes the weights that only `start` knew as the first state, where it had some."""
        if self._first is not None:
            Checkpoints(folder).save_last(self._first, 0)

    def attach(self, run: Run, *, until: int, quiet: bool = False) -> Checkpoint | None:
        """Takes the run folder, to train until it has `until` epochs; goes to its last state."""
        self.run, self.until = run, until
        writes = self.placement.is_chief
        self.checkpoints = Checkpoints(
            run.checkpoints, self.running.keep_checkpoints, writes=writes
        )
        self.board = TensorBoardLog(run.path, writes=writes)
        state = self.checkpoints.last()
        news: list[str] = []
        # Some callbacks forget all when a training begins, or load what they once saved.
        self.callbacks.begin(epochs=until, steps=self.job.steps)
        if state is not None:
            self.position, news = restore(state, self.parts, self.callbacks)
            # Whoever goes on with a finished run wants more of it than the callback did.
            self.model.stop_training = self.position.ended and run.state != "finished"
        else:
            require_fresh(run)
            give_mean_image(self.model, *self._source)
        self.outside = outside_pixel(self.model, *self._source)
        self.together.require_same({"the state that it goes on from": self.position.steps})
        self._begun = time.monotonic() - self.position.seconds
        self.parts.freezing.apply(self.model, self.epoch)
        run.take_back(self.position.metrics_lines, self.epoch)
        self.progress = Progress(
            until,
            self.job.steps,
            self.job.batch,
            done=self.position.steps,
            quiet=quiet or not writes,
        )
        for line in news:
            self.progress.say(line)
        return state

    def train(self) -> None:
        """Trains until the epochs are done, and leaves model.keras in the run.

        Raises:
          TrainingStopped: a signal came; the state is saved.
          GateError: the loss is no longer a number.
        """
        with self.request, contextlib.closing(self.progress):
            while not self._is_over:
                # A signal may have come while the state of the epoch before was written.
                self._stop_if_asked()
                self._train_epoch()
            self._stop_if_asked()
        self.together.agree(ready=True)  # The chief has written the best state.
        self.judge.save(self.run, self.checkpoints, last_word=self._last_word)

    @property
    def _is_over(self) -> bool:
        """Whether all epochs are done, or a callback ended the training after a whole one."""
        at = self.position
        return at.epoch >= self.until or (self.model.stop_training and at.step == 0)

    def _train_epoch(self) -> None:
        self._open_when_due()
        self.loop.replicas.spread_seeds()
        at = self.position
        self._begun = time.monotonic() - at.seconds
        self._saved = time.monotonic()
        if at.step == 0:
            self.callbacks.epoch_begin(at.epoch)
        for feed in self.loop.feeds(self._batches()):
            if self.model.stop_training:
                break
            self.callbacks.batch_begin(at.step)
            done = self.loop.train(*feed)
            at.step, at.steps = at.step + done, at.steps + done
            self.callbacks.batch_end(at.step - 1, self._learned)
            self._pause()
        try:
            self._end_epoch()
        except _Asked:  # A run that goes on judges this epoch again, from the start.
            self._stop_if_asked()

    def _pause(self) -> None:
        """Between two steps: shows them, stops when asked, saves a state when it is time."""
        since = time.monotonic() - self._saved
        wishes = self.together.agree(
            show=self.progress.wants_step(),
            stop=self.request.signal_number or 0,
            save=self.running.checkpoint_every.due(self.position.steps, since),
        )
        if wishes["show"]:
            self._show_step()
        if wishes["stop"]:
            self._stop(wishes["stop"])
        if wishes["save"]:
            self._save(self.checkpoints)

    def _end_epoch(self) -> None:
        self._require_finite()
        self.loop.average_statistics()
        at, learned, rate = self.position, self._learned(), self._rate()
        with self.judge.averaged():
            seen = self.judge.validate(self._watched)
            if not all(map(math.isfinite, seen.values())):
                self._fail(at.steps, "the validation loss")
            self.judge.keep_if_best(self.checkpoints, at.epoch + 1, seen)
            self.callbacks.epoch_end(at.epoch, {**learned, **seen})
        seconds = time.monotonic() - self._begun
        values = {"learning_rate": rate, **learned, **seen}
        line = {"kind": "epoch", "epoch": at.epoch + 1, "step": at.steps, **values}
        self.run.append_metrics(line)
        self.run.append_timing({"epoch": at.epoch + 1, "seconds": round(seconds, 3)})
        self.board.write(at.steps, values)
        for metric in self.loop.training_metrics:
            metric.reset_state()
        self.position = Position(
            at.epoch + 1,
            steps=at.steps,
            metrics_lines=at.metrics_lines + 1,
            ended=bool(self.model.stop_training),
        )
        self._save(self.checkpoints)
        self.progress.epoch(self.epoch, {**learned, **seen}, seconds)

    @property
    def _source(self) -> tuple[Architecture, Split, ImageFormat, int]:
        """Whose training images, in which image format, statistics are found from."""
        job = self.job
        return job.architecture, job.kept, training_format(job.architecture.input), self.seed

    def _batches(self) -> Any:
        """The rest of the epoch: a pure function of the seed, the epoch and the step."""
        return batches(
            self.job.kept,
            self.parts.sizes.image_format(self.position.epoch),
            batch_size=self.job.batch,
            seed=self.seed,
            epoch=self.position.epoch,
            start=self.position.step,
            augmentation=self.job.recipe.augmentation,
            fill=self.outside,
            drop_remainder=True,
            share=self.placement.share,
            data_service=self.placement.data_service,
        )

    def _last_word(self) -> None:
        """What is done to the model when it has the weights that are saved."""
        if images := self.job.recipe.norm_images:
            count = -(-images // self.job.batch)
            self._take_size()
            recompute_statistics(self.loop, self._batches().take(count))
        self.callbacks.end()

    def _watched(self, source: Iterable[Any]) -> Iterator[Any]:
        """The batches of a validation, until a signal comes: it may take longer than there is."""
        for batch in self.callbacks.tested(source, self._seen):
            if self._asked():
                raise _Asked
            yield batch

    def _open_when_due(self) -> None:
        """Lets what was frozen learn from this epoch on, where the recipe says so."""
        freezing, epoch = self.parts.freezing, self.epoch
        if freezing.at(epoch) != freezing.at(epoch - 1):
            freezing.apply(self.model, epoch)
            self.loop.trace_again()
            self.progress.say(f"epoch {epoch + 1}: the frozen parts begin to learn")
        self._take_size()

    def _take_size(self) -> None:
        """Trains on images of the size that the recipe wants in this epoch."""
        network = self.parts.sizes.network(self.epoch)
        if network is not self.loop.network:
            self.loop.train_through(network)
            height, width = network.input_shape[1:3]
            self.progress.say(f"epoch {self.epoch + 1}: images of {height}x{width}")

    def _learned(self) -> dict[str, float]:
        return self.loop.results(self.loop.training_metrics)

    def _seen(self) -> dict[str, float]:
        found = self.loop.results([self.loop.validation_loss, self.loop.validation_accuracy])
        return {name.removeprefix("val_"): value for name, value in found.items()}

    @property
    def _rate_is_free(self) -> bool:
        """Whether the learning rate is a number, which a callback may change."""
        return self.job.recipe.schedule.is_free

    def _rate(self) -> float:
        """The rate of the last step."""
        if self._rate_is_free:
            return float(self.loop.optimizer.learning_rate)
        return float(self.rates[min(max(0, self.position.steps - 1), len(self.rates) - 1)])

    def _show_step(self) -> None:
        self._require_finite()
        self.progress.step(self.epoch + 1, self.position.step, self._learned())

    def _asked(self) -> int:
        """The signal that came to any of the workers; 0 where none did."""
        return self.together.agree(stop=self.request.signal_number or 0)["stop"]

    def _stop_if_asked(self) -> None:
        if number := self._asked():
            self._stop(number)

    def _stop(self, signal_number: int) -> NoReturn:
        self._save(self.checkpoints)
        at = self.position
        where = f"in epoch {at.epoch + 1} after step {at.step} of {self.job.steps}"
        raise TrainingStopped(
            f"training stopped {where if at.step else f'after epoch {at.epoch}'}; "
            "everything is saved",
            found=signal.Signals(signal_number).name,
            hint=f"`reszoo resume {self.run.path}` goes on",
            signal_number=signal_number,
        )

    def _require_finite(self) -> None:
        if (step := self.loop.bad_step) is not None:
            self._fail(step, "the loss")

    def _fail(self, step: int, what: str) -> NoReturn:
        last = self.checkpoints.newest_name()
        low = self.placement.precision != "float32"
        raise GateError(
            f"{what} is no longer a number at step {step} (epoch {self.epoch + 1})",
            found=f"the last good state is {last}" if last else "no good state was saved before",
            hint="lower schedule.peak, lengthen schedule.warmup, or set optimizer.clip_norm=1 in "
            "the recipe" + ("; precision: float32 may help too" if low else ""),
        )

    def _save(self, checkpoints: Checkpoints) -> None:
        """Writes a state, unless it is one from which nobody can go on."""
        self._require_finite()
        now = time.monotonic()
        if self.position.step:
            self.position.seconds = now - self._begun
        state = take(self.position, self.parts, self.callbacks)
        # The loss of the last step was a number, and what it did to the weights may not be.
        if not is_sound(state):
            self._fail(self.position.steps, "a weight")
        checkpoints.save_last(state, self.position.steps)
        self._saved = now
