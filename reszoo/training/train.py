"""The two ways into a training: start one, or go on with one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from reszoo import spec as specs
from reszoo.data import ImageData
from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.inference.evaluate import reopen
from reszoo.inference.trained import Target
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.runs.readonly_run import ReadOnlyRun
from reszoo.runs.run_dir import default_name, no_shared_folder
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.conduct import conduct
from reszoo.training.distribution.strategy import DeviceSetup, DistributionOptions, place
from reszoo.training.distribution.workers import WorkerGroup, lost_workers_named
from reszoo.training.initial_weights import InitialWeights, start_from, start_with
from reszoo.training.job import ClassWeights, TrainingJob, chosen_recipe, freezing_recipe, prepare
from reszoo.training.out_of_memory import enough_memory
from reszoo.training.run_record import data_facts, labels_digest, shared_facts
from reszoo.training.trainer import Trainer


def train(
    spec: Architecture | str | Path | None = None,
    data: Any = "digits",
    recipe: Recipe | str | Path | None = None,
    *,
    start: Target | None = None,
    weights: str | None = None,
    freeze: Sequence[str] = (),
    unfreeze_at: int | None = None,
    epochs: int | None = None,
    stop_after: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    overrides: Sequence[str] = (),
    recipe_overrides: Sequence[str] = (),
    classes: int | None = None,
    class_weights: ClassWeights = None,
    skip_bad_images: bool = False,
    enlarge_small_images: bool = False,
    data_dir: Path | str | None = None,
    test: bool = True,
    callbacks: Sequence[Any] = (),
    checkpoint_every: str | int | None = None,
    keep_checkpoints: int | None = None,
    command: Sequence[str] | None = None,
    quiet: bool = False,
    **where: Unpack[DistributionOptions],
) -> Run:
    """Trains a network and returns its run folder.

        >>> import reszoo
        >>> run = reszoo.train("digits-resnet8", data="digits", epochs=1)  # doctest: +SKIP
        >>> run.metrics()[0]["epoch"]  # doctest: +SKIP
        1

    Args:
      spec: an architecture, its name in the zoo or a file; left out where `start` brings one.
      data: `digits`, `folder:PATH`, `tfds:NAME`, arrays `(images, labels)`, a `tf.data.Dataset`.
      recipe: a recipe, its name or a file; the short one for the image size unless given, or the
        gentle one where the weights are trained.
      start: a trained network to go on from, architecture included: a run, a `.keras` file. Its
        last layer is learned anew where the classes are others.
      weights: weights of others for `spec`: `keras:imagenet`, `timm:TAG`, or a .h5, .weights.h5,
        .keras or .safetensors file. The head is learned anew where the classes are others.
      freeze: parts that keep their weights and statistics: `stem`, `stage1`.., `backbone` (all but
        the head), or `stem..stage2` for all from the one to the other.
      unfreeze_at: the epoch (from 1) in which they begin to learn.
      epochs: epochs of the whole schedule; the recipe's unless given.
      stop_after: end after this many epochs of the schedule; `resume` can go on.
      seed: of weights, data order, augmentation and held out images. Equal seeds give equal runs
        on one device.
      out: the run folder; `runs/<network>-<data>-<N>` unless given.
      overrides: changed fields of the spec, such as `stages[2].depth=23`.
      recipe_overrides: changed fields of the recipe, such as `schedule.peak=0.05`.
      classes: must be the data's number of classes, when given.
      class_weights: `balanced`, or a factor per class name, for the training loss.
      skip_bad_images: leave broken image files out instead of refusing the data.
      enlarge_small_images: take images smaller than the network's input too.
      data_dir: where downloaded data sets lie.
      test: whether to evaluate on the test split at the end. It never chooses anything.
      callbacks: Keras callbacks, users' own too. What they know is saved with the run's states.
      checkpoint_every: how often a state is saved inside an epoch: `500` steps, `10min`; every five
        minutes unless given. It changes no result.
      keep_checkpoints: how many of the last states are kept; 2 unless given.
      command: the words that repeat the run; this process's own unless given.
      quiet: no progress.
      where: strategy, devices and what else `DistributionOptions` has; found out unless given.

    Raises:
      UserError: the spec, the recipe and the data do not fit; nothing is left behind.
      TrainingStopped: Ctrl-C or SIGTERM; the run is saved and `resume` goes on.
      GateError: the loss is no longer a number.
    """
    placement = place(**where)
    _require_folder(placement, out)
    architecture, begin = _network(spec, start, weights, overrides)
    chosen = chosen_recipe(
        recipe,
        architecture,
        epochs=epochs,
        overrides=recipe_overrides,
        fine_tuning=begin is not None or weights is not None,
    )
    chosen = freezing_recipe(chosen, freeze, unfreeze_at)
    until = _until(stop_after, chosen)
    running = CheckpointPolicy().changed(
        checkpoint_every=checkpoint_every, keep_checkpoints=keep_checkpoints
    )
    opened = open_data(data, skip_bad_images=skip_bad_images, data_dir=data_dir)
    placement = placement.in_precision(chosen.precision)
    chosen = chosen.model_copy(update={"precision": placement.precision})
    if weights is not None:
        begin = start_with(architecture, weights, opened, classes=classes)
        architecture = begin.spec
    new_layers = begin.new_layers(opened) if begin else None
    job = prepare(
        architecture,
        chosen,
        opened,
        seed=seed,
        classes=classes,
        class_weights=class_weights,
        enlarge_small_images=enlarge_small_images,
        new_layers=new_layers,
    )
    session = _session(job, placement, until, seed, running, callbacks, start=begin, begins=True)

    def create() -> Run:
        return Run.create(
            None if out is None else Path(out),
            architecture=job.architecture,
            recipe=job.recipe,
            data=data_facts(job, seed, skip_bad_images, data_dir) | {"test": test},
            command=list(sys.orig_argv if command is None else command),
            seed=seed,
            default_name=default_name(architecture.name, opened.name),
            running=running.facts(),
            where=where,
            start=begin.facts(new_layers or ()) if begin else None,
            first_state=session.write_start,
        )

    with lost_workers_named(placement.cluster):
        run = session.together.chief_first(create, lambda: ReadOnlyRun.open(Path(out or "")))
    with run.lock():
        conduct(session, run, until=until, test=test, quiet=quiet)
    return run


def resume(
    run: Run | Path | str,
    *,
    epochs: int | None = None,
    data: Any = None,
    callbacks: Sequence[Any] = (),
    checkpoint_every: str | int | None = None,
    keep_checkpoints: int | None = None,
    quiet: bool = False,
    **where: Unpack[DistributionOptions],
) -> Run:
    """Goes on with a run that was stopped, killed or ended early, bit for bit on one device.

    Args:
      run: the run or its folder.
      epochs: how many epochs it shall have in the end. Up to the recipe's number, the schedule
        stays as it is; beyond it, the schedule is stretched over the new number. All of the
        recipe's unless given.
      data: the data again, where it was given in memory.
      callbacks: Keras callbacks, the same as before: each gets back what it knew.
      checkpoint_every: as for `train`; as it was unless given. So is what follows.
      keep_checkpoints: as for `train`.
      quiet: no progress.
      where: strategy, devices and what else `DistributionOptions` has.

    Raises:
      UserError: no such run, it is in use, damaged, or its data changed.
      TrainingStopped, GateError: as for `train`.
    """
    run = Run.open(run.path if isinstance(run, Run) else run)
    if _is_done(run, epochs):  # Said before anybody waits for other workers.
        return run
    where = {**run.info.get("where", {}), **where}
    running = CheckpointPolicy.of(run.info).changed(
        checkpoint_every=checkpoint_every, keep_checkpoints=keep_checkpoints
    )
    placement = place(**where)
    kind = Run if placement.is_chief else ReadOnlyRun
    run = kind.open(run.path)
    with run.lock():
        run = kind.open(run.path)  # Whoever held it before may have written since.
        facts, recipe = run.data(), run.recipe()
        if _is_done(run, epochs):
            return run
        if epochs is not None and epochs > recipe.epochs:
            recipe = recipe.model_copy(update={"epochs": epochs})
            run.write_recipe(recipe)
        until = _until(epochs, recipe)
        opened = reopen(facts) if data is None else open_data(data)
        job = _job_again(run, recipe, opened, facts)
        placement = placement.in_precision(recipe.precision)
        run.info |= {"running": running.facts(), "where": dict(where)}
        session = _session(
            job, placement, until, run.seed, running, callbacks, start=None, begins=False
        )
        conduct(session, run, until=until, test=facts["test"], quiet=quiet)
    return run


def _is_done(run: Run, epochs: int | None) -> bool:
    wanted = run.recipe().epochs if epochs is None else epochs
    return run.state == "finished" and run.info["epochs"] >= wanted


def _require_folder(placement: DeviceSetup, out: Path | str | None) -> None:
    if placement.workers > 1 and out is None:
        raise no_shared_folder()


def _session(
    job: TrainingJob,
    placement: DeviceSetup,
    until: int,
    seed: int,
    running: CheckpointPolicy,
    callbacks: Sequence[Any],
    *,
    start: InitialWeights | None,
    begins: bool,
) -> Trainer:
    """The session, once all workers have turned out to train the same."""
    with lost_workers_named(placement.cluster), enough_memory(job, placement):
        together = WorkerGroup(placement)
        together.require_one_command(begins=begins)
        together.require_same(shared_facts(job, placement, seed=seed, until=until))
        return Trainer(job, placement, seed=seed, running=running, callbacks=callbacks, start=start)


def _job_again(run: Run, recipe: Recipe, data: ImageData, facts: dict[str, Any]) -> TrainingJob:
    """The job of a run as it was, without regularising its architecture a second time."""
    job = prepare(
        run.architecture(),
        recipe,
        data,
        seed=run.seed,
        enlarge_small_images=True,
        new_layers=() if "start" in run.info else None,
    )
    if labels_digest(job) != facts["training_labels_sha256"]:
        raise UserError(
            f"the training images of {data.name} are not what they were when the run began",
            expected=f"the same {len(job.kept):,} labels in the same order",
            hint="restore the data, or train a new run on what is there now",
        )
    weights = facts["class_weights"]
    return replace(
        job,
        architecture=run.architecture(),
        class_weights=None if weights is None else tuple(weights),
    )


def _network(
    spec: Architecture | str | Path | None,
    start: Target | None,
    weights: str | None,
    overrides: Sequence[str],
) -> tuple[Architecture, InitialWeights | None]:
    """What is trained, and the trained network it begins with, if there is one already."""
    if start is not None:
        if spec is not None or weights is not None:
            raise UserError(
                "a trained network brings its own architecture and weights",
                expected="--from, or a network's name (with --weights, if you like)",
                found="both",
                hint="leave the others out; --set changes what leaves the weights fitting",
            )
        begin = start_from(start, overrides)
        return begin.spec, begin
    if spec is None:
        raise UserError(
            "there is no network to train",
            expected="a name such as resnet20, a YAML file, or --from a trained network",
            hint="`reszoo list` shows the names",
        )
    if isinstance(spec, Architecture):
        return specs.override(spec, overrides), None
    return specs.load(spec, overrides), None


def _until(epochs: int | None, recipe: Recipe) -> int:
    if epochs is None:
        return recipe.epochs
    if not 1 <= epochs <= recipe.epochs:
        raise UserError(
            "a training cannot end there",
            expected=f"1 to {recipe.epochs} epochs, as long as the schedule is",
            found=str(epochs),
        )
    return epochs
