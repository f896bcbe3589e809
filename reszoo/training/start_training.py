"""The start of a training, from its arguments to a run folder that `fit_run` trains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reszoo.data import ImageData
from reszoo.data.open_data import open_data
from reszoo.runs import Run
from reszoo.runs.readonly_run import ReadOnlyRun
from reszoo.runs.run_dir import default_name, no_shared_folder
from reszoo.spec.architecture import Architecture
from reszoo.spec.optimizer import Distill
from reszoo.spec.recipe import Recipe
from reszoo.training.assemble_on_workers import assemble_on_workers
from reszoo.training.checkpoint.checkpoint_file import Checkpoint
from reszoo.training.checkpoint.checkpoints import Checkpoints
from reszoo.training.distribution.strategy import DeviceSetup, device_setup
from reszoo.training.distribution.workers import WorkerGroup, lost_workers_explained
from reszoo.training.equivalent_command import command_facts
from reszoo.training.fit_run import fit_run
from reszoo.training.fit_to_data import fit_to_data
from reszoo.training.initial_weights import (
    InitialWeights,
    network_and_weights,
    pretrained_weights,
)
from reszoo.training.job import TrainingJob, choose_recipe, last_epoch, prepare
from reszoo.training.quantization import quantized_weights, require_quantizable
from reszoo.training.run_record import data_facts
from reszoo.training.snapshot import Position, take_snapshot
from reszoo.training.teachers import load_teachers
from reszoo.training.training_arguments import TrainingArguments


@dataclass(frozen=True, slots=True)
class _Start:
    """A checked training that has not begun, and the weights that it starts from, if any."""

    job: TrainingJob
    weights: InitialWeights | None
    new_layers: tuple[str, ...]
    """Layers without such weights."""


def start_training(
    arguments: TrainingArguments,
    *,
    stop_after: int | None = None,
    test: bool = True,
    command: Sequence[str] | None = None,
    quiet: bool = False,
) -> Run:
    """Trains as `train` does; see there for the options."""
    setup = device_setup(arguments.distribution)
    if setup.workers > 1 and arguments.out is None:
        raise no_shared_folder()
    architecture, weights = network_and_weights(
        arguments.spec, arguments.initial, arguments.overrides
    )
    data = arguments.data
    images = open_data(data.data, skip_bad_images=data.skip_bad_images, data_dir=data.data_dir)
    recipe = _recipe(arguments, architecture, images)
    require_quantizable(recipe, arguments.initial, weights)
    until = last_epoch(stop_after, recipe)
    setup = setup.in_precision(recipe.precision)
    start = _start(arguments, setup, architecture, weights, recipe, images)
    assembly = assemble_on_workers(
        start.job,
        setup,
        arguments.callbacks,
        until=until,
        begins=True,
        initial_weights=start.weights,
    )
    # All workers take the snapshot together; only the chief writes it.
    snapshot = take_snapshot(Position(), assembly) if start.weights else None

    def create() -> Run:
        return _create_run(arguments, start, snapshot, test=test, command=command)

    def open_as_worker() -> Run:
        return ReadOnlyRun.open(Path(arguments.out or ""))

    with lost_workers_explained(setup.cluster):
        run = WorkerGroup(setup).chief_first(create, open_as_worker)
    with run.lock():
        fit_run(
            start.job,
            setup,
            assembly,
            run,
            until=until,
            policy=arguments.policy,
            test=test,
            quiet=quiet,
        )
    return run


def _recipe(arguments: TrainingArguments, architecture: Architecture, images: ImageData) -> Recipe:
    initial = arguments.initial
    return choose_recipe(
        arguments.recipe,
        architecture,
        epochs=arguments.epochs,
        overrides=arguments.recipe_overrides,
        images=images.splits.get(images.only_split or "train"),
        fine_tuning=initial.fine_tunes,
        freeze=initial.freeze,
        unfreeze_at=initial.unfreeze_at,
        quantize=initial.quantize,
    )


def _start(
    arguments: TrainingArguments,
    setup: DeviceSetup,
    architecture: Architecture,
    weights: InitialWeights | None,
    recipe: Recipe,
    images: ImageData,
) -> _Start:
    """Fits network, recipe, data, teachers and initial weights to each other."""
    data = arguments.data
    recipe = recipe.model_copy(update={"precision": setup.precision})
    student = None if arguments.out is None else Path(arguments.out)
    teachers = load_teachers(arguments.teacher, setup.precision, student=student)
    if teachers and recipe.distill is None:
        recipe = recipe.model_copy(update={"distill": Distill()})
    if arguments.initial.weights is not None:
        weights = pretrained_weights(
            architecture, arguments.initial.weights, images, classes=data.classes
        )
        architecture = weights.spec
    new_layers = weights.new_layers(images) if weights else None
    job = prepare(
        fit_to_data(
            architecture,
            recipe,
            images,
            classes=data.classes,
            enlarge_small_images=data.enlarge_small_images,
        ),
        recipe,
        images,
        seed=arguments.seed,
        class_weights=data.class_weights,
        new_layers=new_layers,
        teachers=teachers,
        parts=setup.replicas * setup.accumulate,
    )
    if recipe.quantize and weights:
        weights = quantized_weights(weights, new_layers or (), job)
    return _Start(job, weights, new_layers or ())


def _create_run(
    arguments: TrainingArguments,
    start: _Start,
    snapshot: Checkpoint | None,
    *,
    test: bool,
    command: Sequence[str] | None,
) -> Run:
    """Creates the run folder, with the snapshot as its first checkpoint."""
    job = start.job

    def write_first(folder: Path) -> None:
        if snapshot is not None:
            Checkpoints(folder).save_last(snapshot, 0)

    run = Run.create(
        None if arguments.out is None else Path(arguments.out),
        architecture=job.architecture,
        recipe=job.recipe,
        data=data_facts(job, arguments.data) | {"test": test},
        data_files=job.data.fingerprint.records() if job.data.fingerprint else None,
        command=list(sys.orig_argv if command is None else command),
        seed=job.seed,
        default_name=default_name(job.architecture.name, job.data.name),
        policy=arguments.policy,
        distribution=arguments.distribution.facts(),
        start=start.weights.facts(start.new_layers) if start.weights else None,
        teachers=[taught.record.facts() for taught in job.teachers],
        first_checkpoint=write_first,
    )
    if command is None:
        run.info |= command_facts(arguments, run.path)
    return run
