"""The trainer: epochs of steps, with validation, checkpoints and an orderly stop.

Read `Trainer.fit` first: it tells a whole training in one place.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from reszoo.data import ImageFormat, Split
from reszoo.data.images.resizing import training_format
from reszoo.data.pipeline.batches import batches
from reszoo.errors import GateError
from reszoo.model.saving import save_model
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.spec.architecture import Architecture
from reszoo.training.assembly import Assembly
from reszoo.training.checkpoint.checkpoints import Checkpoints
from reszoo.training.console.progress import Progress
from reszoo.training.console.signals import StopRequest, TrainingStopped
from reszoo.training.console.tensorboard_log import TensorBoardLog
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.distribution.workers import WorkerGroup
from reszoo.training.image_statistics import outside_pixel, set_mean_image
from reszoo.training.initial_weights import require_fresh_weights
from reszoo.training.job import TrainingJob
from reszoo.training.loop.precise_bn import compute_precise_bn_stats
from reszoo.training.optimizers.schedules import learning_rate
from reszoo.training.snapshot import Position, is_finite, restore, take_snapshot


class _ValidationStopped(Exception):
    """A signal, whose number is the argument, arrived during validation."""


class Trainer:
    """Trains an assembly in a run folder, from its newest checkpoint on if it has one.

    Args:
      job: the network, the recipe and the data.
      setup: the devices.
      assembly: what `assemble` built of both.
      run: the run folder, held by this process.
      until: epochs that the run has in the end.
      policy: how often checkpoints are written, and how many are kept.
      quiet: shows no progress.

    Raises:
      UserError: every checkpoint is damaged, or they are another network's.
    """

    def __init__(
        self,
        job: TrainingJob,
        setup: DeviceSetup,
        assembly: Assembly,
        run: Run,
        *,
        until: int,
        policy: CheckpointPolicy,
        quiet: bool = False,
    ) -> None:
        self.job, self.setup, self.assembly = job, setup, assembly
        self.run, self.until, self.policy = run, until, policy
        self.model, self.loop = assembly.model, assembly.loop
        self.validator, self.callbacks = assembly.validator, assembly.callbacks
        self.workers = WorkerGroup(setup)
        self.checkpoints = Checkpoints(
            run.checkpoints, policy.keep_checkpoints, writes=setup.is_chief
        )
        self.tensorboard = TensorBoardLog(run.path, writes=setup.is_chief)
        self.stop_request = StopRequest()
        self.position = Position()
        self.checkpoint = self.checkpoints.last()
        """The checkpoint that the training resumes from, or None."""
        notes = self._restore()
        self.outside_pixel = outside_pixel(self.model, *self._training_images)
        self.workers.require_same({"the checkpoint to resume from": self.position.steps})
        self.assembly.freezing.apply(self.model, self.epoch)
        run.truncate_logs(self.position.metrics_lines, self.epoch)
        self._start_clocks()
        self.progress = Progress(
            until,
            job.steps,
            job.batch,
            done=self.position.steps,
            quiet=quiet or not setup.is_chief,
        )
        for note in notes:
            self.progress.say(note)

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return self.position.epoch

    @property
    def _is_ended(self) -> bool:
        """Whether a callback or early stopping ended the training, and its last epoch is done."""
        return self.position.ended and self.position.step == 0

    def fit(self) -> None:
        """Trains until the epochs are done, and writes model.keras.

        Raises:
          TrainingStopped: a signal arrived; a checkpoint is saved.
          GateError: the loss is no longer a finite number.
        """
        with self.stop_request, contextlib.closing(self.progress):
            while self.epoch < self.until and not self._is_ended:
                self._stop_if_asked()
                self._begin_epoch()
                for feed in self.loop.feeds(self._batches()):
                    if self.position.ended:
                        break
                    self._step(feed)
                    due = self._due()
                    if due["show"]:
                        self._show_step()
                    if due["stop"]:
                        self._stop(due["stop"])
                    if due["checkpoint"]:
                        self._save_checkpoint()
                self._end_epoch()
            self._stop_if_asked()
        self._save_model()

    # The steps of `fit`, in their order.

    def _begin_epoch(self) -> None:
        self._unfreeze_if_due()
        self._resize_if_due()
        self.loop.replicas.spread_seeds()
        self._start_clocks()
        if self.position.step == 0:
            self.callbacks.epoch_begin(self.epoch)
            self._end_if_asked()

    def _step(self, feed: tuple[Any, ...]) -> None:
        at = self.position
        self.callbacks.batch_begin(at.step)
        done = self.loop.train(*feed)
        at.step, at.steps = at.step + done, at.steps + done
        self.callbacks.batch_end(at.step - 1, self._train_metrics)

    def _due(self) -> dict[str, int]:
        """Returns what is due after this step; all workers decide together."""
        since = time.monotonic() - self._saved_at
        due = self.workers.all_reduce_max(
            show=self.progress.wants_step(),
            stop=self.stop_request.signal_number or 0,
            checkpoint=self.policy.checkpoint_every.due(
                self.position.steps, since, self.loop.steps_per_execution
            ),
            end=self.model.stop_training,
        )
        self.position.ended = bool(due["end"])
        return due

    def _end_epoch(self) -> None:
        """Validates, records the epoch and saves a checkpoint."""
        self._require_finite_loss()
        self.loop.average_statistics()
        at, train_metrics, rate = self.position, self._train_metrics(), self._learning_rate()
        try:
            val_metrics = self._validate(train_metrics)
        except _ValidationStopped as stopped:  # Once resumed, it starts again from its beginning.
            self._stop(stopped.args[0])
        ended_early = self._end_if_impatient()
        self._end_if_asked()
        seconds = time.monotonic() - self._began_at
        metrics = {**train_metrics, **val_metrics}
        values = {"learning_rate": rate, **metrics}
        self.run.append_metrics(
            {"kind": "epoch", "epoch": at.epoch + 1, "step": at.steps, **values}
        )
        self.run.append_timing({"epoch": at.epoch + 1, "seconds": round(seconds, 3)})
        self.tensorboard.write(at.steps, values)
        for metric in self.loop.training_metrics:
            metric.reset_state()
        self.position = Position(
            at.epoch + 1,
            steps=at.steps,
            metrics_lines=at.metrics_lines + 1,
            ended=at.ended,
            patience_from=at.patience_from,
        )
        self._save_checkpoint()
        self.progress.epoch(self.epoch, metrics, seconds)
        if ended_early is not None:
            self.progress.say(ended_early)
        if self.epoch == self.until:
            self._warn_of_guessing(train_metrics["loss"])

    def _save_model(self) -> None:
        """Writes model.keras: canonical float32 layers with the weights that the recipe keeps."""
        self.workers.all_reduce_max(ready=True)  # The chief has written the best checkpoint.
        self.validator.load_kept_weights(self.checkpoints)
        if images := self.job.recipe.norm_images:
            count = -(-images // self.job.batch)
            compute_precise_bn_stats(self.loop, self._batches().take(count))
        self.callbacks.end()
        if self.setup.is_chief:
            job = self.job
            save_model(
                self.model, self.run.model_path, spec=job.architecture, classes=job.data.classes
            )

    # Details.

    def _restore(self) -> list[str]:
        """Goes to the newest checkpoint; returns notes for the user."""
        # Before the restore: some callbacks reset themselves, or load files, when training begins.
        self.callbacks.begin(epochs=self.until, steps=self.job.steps)
        if self.checkpoint is None:
            require_fresh_weights(self.run)
            set_mean_image(self.model, *self._training_images)
            return []
        self.position, notes = restore(self.checkpoint, self.assembly)
        # More epochs of a finished run overrule the callback, or the patience, that ended it.
        is_longer = self.run.state == "finished" and self.until > self.epoch
        if self.position.ended and is_longer:
            self.position.ended, self.position.patience_from = False, self.epoch
        self.model.stop_training = self.position.ended
        return notes

    @property
    def _training_images(self) -> tuple[Architecture, Split, ImageFormat, int]:
        """The arguments of functions that compute statistics of the training images."""
        job = self.job
        return (
            job.architecture,
            job.train_split,
            training_format(job.architecture.input),
            job.seed,
        )

    def _batches(self) -> Any:
        """Returns the rest of the epoch's batches, a pure function of seed, epoch and step."""
        return batches(
            self.job.train_split,
            self.assembly.resizing.image_format(min(self.epoch, self.until - 1)),
            batch_size=self.job.batch,
            seed=self.job.seed,
            epoch=self.epoch,
            start=self.position.step,
            augmentation=self.job.recipe.augmentation,
            fill=self.outside_pixel,
            drop_remainder=True,
            share=self.setup.share,
            data_service=self.setup.data_service,
        )

    def _start_clocks(self) -> None:
        self._saved_at = time.monotonic()
        self._began_at = self._saved_at - self.position.seconds

    def _unfreeze_if_due(self) -> None:
        freezing, epoch = self.assembly.freezing, self.epoch
        if freezing.at(epoch) != freezing.at(epoch - 1):
            freezing.apply(self.model, epoch)
            self.loop.retrace()
            self.progress.say(f"epoch {epoch + 1}: the frozen layers are trained from here on")

    def _resize_if_due(self) -> None:
        network = self.assembly.resizing.network(self.epoch)
        if network is not self.loop.network:
            self.loop.train_through(network)
            height, width = network.input_shape[1:3]
            self.progress.say(f"epoch {self.epoch + 1}: images of {height}x{width}")

    def _validate(self, train_metrics: dict[str, float]) -> dict[str, float]:
        """Validates, keeps the weights if they are the best, and calls the callbacks."""
        with self.validator.ema_weights():
            metrics = self.validator.validate(self._until_stopped)
            if not all(map(math.isfinite, metrics.values())):
                self._fail(self.position.steps, "the validation loss")
            self.validator.save_if_best(self.checkpoints, self.epoch + 1, metrics)
            self.callbacks.epoch_end(self.epoch, {**train_metrics, **metrics})
        return metrics

    def _end_if_impatient(self) -> str | None:
        """Ends the training after the epochs without a new best one that the recipe allows.

        Returns the reason, or None if it goes on.
        """
        rule, best = self.job.recipe.early_stopping, self.validator.best
        if rule is None or best is None or self.epoch + 1 == self.until:
            return None
        waited = self.epoch + 1 - max(int(best["epoch"]), self.position.patience_from)
        if waited < rule.patience:
            return None
        self.model.stop_training = True
        return (
            f"epoch {self.epoch + 1}: ended early, as the best epoch was {best['epoch']:.0f} "
            f"(early_stopping: {rule.patience})"
        )

    def _end_if_asked(self) -> None:
        """Ends the training where a callback of any worker asks for it."""
        asked = self.workers.all_reduce_max(end=self.model.stop_training)
        self.position.ended = bool(asked["end"])

    def _until_stopped(self, source: Iterable[Any]) -> Iterator[Any]:
        """Yields the batches of a validation, until a signal arrives: it may take long."""
        for batch in self.callbacks.tested(source, self._val_metrics):
            if number := self._signal():
                raise _ValidationStopped(number)
            yield batch

    def _warn_of_guessing(self, loss: float) -> None:
        """Warns when a training ends worse than guessing: its loss diverged and stayed finite."""
        guessing = math.log(len(self.job.data.classes))
        is_plain = self.job.recipe.loss.kind == "cross_entropy" and not self.job.teachers
        if is_plain and loss > guessing:
            self.progress.say(
                f"the training loss ends at {loss:.4g}, above the {guessing:.4g} of guessing: the "
                "training diverged; lower schedule.peak or lengthen schedule.warmup in the recipe"
            )

    def _train_metrics(self) -> dict[str, float]:
        return self.loop.results(self.loop.training_metrics)

    def _val_metrics(self) -> dict[str, float]:
        metrics = self.loop.results([self.loop.validation_loss, self.loop.validation_accuracy])
        return {name.removeprefix("val_"): value for name, value in metrics.items()}

    def _learning_rate(self) -> float:
        """Returns the rate of the last step."""
        job, last_step = self.job, max(0, self.position.steps - 1)
        if job.recipe.schedule.is_free:
            return float(self.loop.optimizer.learning_rate)
        return float(learning_rate(job.recipe.schedule, last_step, job.steps * job.recipe.epochs))

    def _show_step(self) -> None:
        self._require_finite_loss()
        self.progress.step(self.epoch + 1, self.position.step, self._train_metrics())

    def _save_checkpoint(self) -> None:
        """Writes a checkpoint, unless its numbers are not finite."""
        self._require_finite_loss()
        now = time.monotonic()
        if self.position.step:
            self.position.seconds = now - self._began_at
        checkpoint = take_snapshot(self.position, self.assembly)
        # The loss of the last step may be finite where the weights after it are not.
        if not is_finite(checkpoint):
            self._fail(self.position.steps, "a weight")
        self.checkpoints.save_last(checkpoint, self.position.steps)
        self._saved_at = now

    def _signal(self) -> int:
        """Returns the signal that any of the workers received; 0 for none."""
        return self.workers.all_reduce_max(stop=self.stop_request.signal_number or 0)["stop"]

    def _stop_if_asked(self) -> None:
        if number := self._signal():
            self._stop(number)

    def _stop(self, signal_number: int) -> NoReturn:
        self._save_checkpoint()
        at = self.position
        where = f"in epoch {at.epoch + 1} after step {at.step} of {self.job.steps}"
        raise TrainingStopped(
            f"training stopped {where if at.step else f'after epoch {at.epoch}'}; "
            "everything is saved",
            found=signal.Signals(signal_number).name,
            hint=f"`reszoo resume {self.run.path}` continues",
            signal_number=signal_number,
        )

    def _require_finite_loss(self) -> None:
        if (step := self.loop.bad_step) is not None:
            self._fail(step, "the loss")

    def _fail(self, step: int, what: str) -> NoReturn:
        last = self.run.newest_checkpoint()
        low = self.setup.precision != "float32"
        raise GateError(
            f"{what} is no longer a number at step {step} (epoch {self.epoch + 1})",
            found=f"the newest checkpoint is {last}" if last else "no checkpoint was saved before",
            hint="lower schedule.peak, lengthen schedule.warmup, or set optimizer.clip_norm=1 in "
            "the recipe" + ("; precision: float32 may help too" if low else ""),
        )
