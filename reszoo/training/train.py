"""`train` and `resume`, the two ways to a trained network.

Both take the same path. `TrainingJob` holds what was checked, `assemble` builds it, and `fit_run`
trains it in a run folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from reszoo.inference.find_network import has_lost_model, require_model_or_checkpoint
from reszoo.inference.trained import Target
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.runs.cluster.devices import StrategyWord
from reszoo.runs.cluster.discovery import PEER_SECONDS
from reszoo.runs.readonly_run import ReadOnlyRun
from reszoo.runs.run_info import ENDED_EARLY
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.assemble_on_workers import assemble_on_workers
from reszoo.training.distribution.strategy import device_setup
from reszoo.training.fit_run import fit_run
from reszoo.training.job import job_of_run, last_epoch
from reszoo.training.options import (
    ClassWeights,
    DataOptions,
    DistributionOptions,
    InitialWeightsOptions,
)
from reszoo.training.start_training import start_training
from reszoo.training.teacher_record import TEACHERS
from reszoo.training.teachers import Teachers, load_recorded_teachers
from reszoo.training.training_arguments import TrainingArguments


def train(
    spec: Architecture | str | Path | None = None,
    data: Any = "digits",
    recipe: Recipe | str | Path | None = None,
    *,
    start: Target | None = None,
    weights: str | None = None,
    freeze: Sequence[str] = (),
    unfreeze_at: int | None = None,
    quantize: Literal["int8"] | None = None,
    teacher: Teachers | None = None,
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
    strategy: StrategyWord = "auto",
    devices: str | None = None,
    sync_norm: bool = False,
    accumulate: int = 1,
    xla: bool | None = None,
    port: int | None = None,
    peer_timeout: float = PEER_SECONDS,
    data_service: str | None = None,
) -> Run:
    """Trains a network and returns its run folder.

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits", epochs=1)  # doctest: +SKIP
        >>> run.metrics()[0]["epoch"]  # doctest: +SKIP
        1

    Args:
      spec: an architecture, its name in the zoo or a file. Left out with `start`, which has one.
      data: `digits`, `folder:PATH`, `csv:FILE`, `tfds:NAME`, arrays `(images, labels)` of shapes
        `(n, height, width, channels)` and `(n,)`, or a `tf.data.Dataset`.
      recipe: a recipe, its name or a file. Defaults to the short recipe for the image size, or to
        the fine-tuning one with `start` or `weights`.
      start: a trained network to continue from, architecture included: a run or a `.keras` file.
        Its last layer is replaced where the classes differ.
      weights: published weights for `spec`: `keras:imagenet`, `timm:TAG`, or a .h5, .weights.h5,
        .keras or .safetensors file. The head is replaced where the classes differ.
      freeze: layer groups that keep their weights and statistics: `stem`, `stage1`.., `backbone`
        (all but the head), a range such as `stem..stage2`, or a block such as `stage2.block3`.
      unfreeze_at: the epoch (from 1) in which frozen layers begin to learn.
      quantize: `int8` for quantization-aware training of the network of `start`; its export needs
        no calibration. The default recipe is then `quantize`.
      teacher: a trained network whose outputs are learned as well as the labels, as the recipe's
        `distill` defines: a run, a `.keras` file or a model with the same classes and channels; a
        list of them is averaged.
      epochs: number of epochs of the schedule. Defaults to the recipe's.
      stop_after: stops after this many epochs of the schedule; `resume` continues.
      seed: seed of the weights, data order, augmentation and held-out images. Equal seeds give
        equal runs on one device.
      out: the run folder. Defaults to `runs/<network>-<data>-<N>`.
      overrides: changed fields of the spec, such as `stages[2].depth=23`.
      recipe_overrides: changed fields of the recipe, such as `schedule.peak=0.05`.
      classes: expected number of classes; any other number in the data is an error.
      class_weights: `balanced`, or a factor per class name, for the training loss.
      skip_bad_images: skips broken image files instead of refusing the data.
      enlarge_small_images: accepts images smaller than the network's input.
      data_dir: folder of downloaded data sets.
      test: evaluates on the test split at the end. The result never selects anything.
      callbacks: Keras callbacks. Their state is saved in the run's checkpoints.
      checkpoint_every: interval of checkpoints inside an epoch, such as `500` steps or `10min`.
        Defaults to five minutes. It changes no result.
      keep_checkpoints: number of last checkpoints to keep. Defaults to 2.
      command: the words that repeat the run. Defaults to the equivalent `reszoo train` command;
        where there is none, as with arrays, to this process's command line, and run.json says why.
      quiet: shows no progress.
      strategy: `auto` (the workers of TF_CONFIG or Slurm, else a TPU, else all GPUs, else the one
        device), `one`, `mirrored`, `multiworker` or `tpu`.
      devices: `cpu:4` (logical ones), `gpu:0,1`, `tpu` or `tpu:NAME`. Defaults to all GPUs, or the
        CPU.
      sync_norm: normalises over the whole batch, not over each replica's part.
      accumulate: number of parts of a step's batch that are computed one after the other, to save
        memory.
      xla: compiles the step with XLA. Defaults to True on GPUs where it is possible.
      port: port of the first worker on each node, under Slurm.
      peer_timeout: seconds to wait for the other workers at the start.
      data_service: dispatcher of a tf.data service, `grpc://host:port`, that decodes images.

    Raises:
      UserError: the spec, the recipe and the data do not fit each other; nothing is left behind.
      TrainingStopped: Ctrl-C or SIGTERM; the run is saved and `resume` continues it.
      GateError: the loss is no longer a finite number.
    """
    arguments = TrainingArguments(
        spec,
        recipe,
        data=DataOptions(
            data, classes, class_weights, skip_bad_images, enlarge_small_images, data_dir
        ),
        initial=InitialWeightsOptions(start, weights, freeze, unfreeze_at, quantize),
        distribution=DistributionOptions(
            strategy, devices, sync_norm, accumulate, xla, port, peer_timeout, data_service
        ),
        policy=CheckpointPolicy().changed(
            checkpoint_every=checkpoint_every, keep_checkpoints=keep_checkpoints
        ),
        teacher=teacher,
        epochs=epochs,
        seed=seed,
        out=out,
        overrides=overrides,
        recipe_overrides=recipe_overrides,
        callbacks=callbacks,
    )
    return start_training(arguments, stop_after=stop_after, test=test, command=command, quiet=quiet)


def resume(
    run: Run | Path | str,
    *,
    epochs: int | None = None,
    data: Any = None,
    teacher: Teachers | None = None,
    callbacks: Sequence[Any] = (),
    checkpoint_every: str | int | None = None,
    keep_checkpoints: int | None = None,
    quiet: bool = False,
    strategy: StrategyWord | None = None,
    devices: str | None = None,
    sync_norm: bool | None = None,
    accumulate: int | None = None,
    xla: bool | Literal["auto"] | None = None,
    port: int | None = None,
    peer_timeout: float | None = None,
    data_service: str | None = None,
) -> Run:
    """Resumes an interrupted run, bit for bit on one device, or gives a finished one more epochs.

        >>> import reszoo
        >>> run = reszoo.resume("runs/resnet8_digits-digits-1", epochs=60)  # doctest: +SKIP

    Options that are left out keep the values that the run was started with. A finished run that has
    lost its model.keras gets it again from its checkpoints.

    Args:
      run: the run or its folder.
      epochs: total number of epochs of the run. Up to the recipe's number, the schedule stays the
        same; beyond it, the schedule is stretched. Defaults to the recipe's, or to those done if a
        callback or early_stopping ended the run.
      data: the data, where they were given in memory or have moved. Defaults to the run's.
      teacher: those of the run's teachers that were given in memory or have moved. Defaults to
        their recorded paths.
      callbacks: Keras callbacks, the same as before: each gets its state back.
      checkpoint_every: see `train`.
      keep_checkpoints: see `train`.
      quiet: shows no progress.
      strategy: see `train`, as for the following options.
      devices: see `train`.
      sync_norm: see `train`.
      accumulate: see `train`.
      xla: see `train`; `auto` chooses again.
      port: see `train`.
      peer_timeout: see `train`.
      data_service: see `train`.

    Raises:
      UserError: there is no such run, it is in use or damaged, or its data changed.
      TrainingStopped: see `train`.
      GateError: see `train`.
    """
    run = Run.open(run.path if isinstance(run, Run) else run)
    if _is_done(run, epochs):  # Before anyone waits for other workers.
        run.recover()
        return run
    distribution = DistributionOptions(**run.info.get("where", {})).changed(
        strategy=strategy,
        devices=devices,
        sync_norm=sync_norm,
        accumulate=accumulate,
        xla=xla,
        port=port,
        peer_timeout=peer_timeout,
        data_service=data_service,
    )
    policy = CheckpointPolicy.of(run.info).changed(
        checkpoint_every=checkpoint_every, keep_checkpoints=keep_checkpoints
    )
    setup = device_setup(distribution)
    kind = Run if setup.is_chief else ReadOnlyRun
    with kind.open(run.path).lock():
        run = kind.open(run.path)  # Another process may have written to it until now.
        if _is_done(run, epochs):
            return run
        recipe = run.recipe()
        stretched = epochs is not None and epochs > recipe.epochs
        if stretched:
            recipe = recipe.model_copy(update={"epochs": epochs})
        until = last_epoch(epochs, recipe)
        if has_lost_model(run):
            require_model_or_checkpoint(run)
            until = until if epochs else run.info["epochs"]
        setup = setup.in_precision(recipe.precision)
        teachers = load_recorded_teachers(run, teacher, setup.precision)
        parts = setup.replicas * setup.accumulate
        job = job_of_run(run, recipe, data, teachers=teachers, parts=parts)
        assembly = assemble_on_workers(job, setup, callbacks, until=until, begins=False)
        # Only now: nothing changes where the run cannot be resumed.
        if stretched:
            run.write_recipe(recipe)
        if isinstance(data, str):  # Later commands find the data where they are now.
            run.write_data({**run.data(), "name": job.data.name})
        run.info |= {"running": policy.facts(), "where": distribution.facts()}
        if teachers:
            run.info[TEACHERS] = [taught.record.facts() for taught in teachers]
        run.info.pop(ENDED_EARLY, None)
        test = run.data()["test"]
        fit_run(job, setup, assembly, run, until=until, policy=policy, test=test, quiet=quiet)
    return run


def _is_done(run: Run, epochs: int | None) -> bool:
    if run.state != "finished" or has_lost_model(run):
        return False
    if epochs is None and run.info.get(ENDED_EARLY):
        return True
    return bool(run.info["epochs"] >= (run.recipe().epochs if epochs is None else epochs))
