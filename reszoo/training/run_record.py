"""The record of a run: what its files and the console report before and after a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reszoo.counted import counted
from reszoo.data.images.resizing import training_format
from reszoo.data.open_data import IN_MEMORY
from reszoo.data.previews.findings import findings
from reszoo.inference.metrics import Evaluation
from reszoo.runs.run_info import ENDED_EARLY
from reszoo.spec import to_mapping
from reszoo.system_info import versions
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.distribution.workers import flatten
from reszoo.training.freezing import trainable_before
from reszoo.training.job import TrainingJob
from reszoo.training.options import DataOptions
from reszoo.training.trainer import Trainer

FEW_VALIDATION_IMAGES = 100
SMALL_INPUT, SHRINKS_A_LOT = 127, 3
"""Pixels of an input that is small for photographs, and how often it fits into their side."""


def announce(trainer: Trainer) -> None:
    """Prints what trains on which data, from which weights, and what is frozen."""
    job, say = trainer.job, trainer.progress.say
    held_out = f", {len(job.val_split):,} held out" if job.val_split is not None else ""
    title = f": {job.recipe.title}" if job.recipe.title else ""
    say(f"recipe {job.recipe.name}{title}")
    say(
        f"{job.architecture.name} on {job.data.name}: {counted(len(job.train_split), 'image')}"
        f"{held_out}, {counted(job.steps, 'step')} of {job.batch} in each of "
        f"{counted(job.recipe.epochs, 'epoch')}, "
        f"{trainer.setup.precision}, {trainer.setup.strategy_name}"
    )
    if job.data.skipped:
        say(f"{counted(len(job.data.skipped), 'broken image is', 'broken images are')} skipped")
    if start := trainer.run.info.get("start"):
        new_layers = ", ".join(start["new_layers"])
        say(
            f"starting from {start['source']}"
            + (f", with a new {new_layers}" if new_layers else "")
        )
    _announce_teachers(trainer)
    _announce_freezing(trainer)
    if job.val_split is not None and len(job.val_split) < FEW_VALIDATION_IMAGES:
        say(
            f"{len(job.val_split)} held-out images measure an accuracy to about "
            f"{_uncertainty(len(job.val_split)):.0f} points; validation.fraction in the recipe "
            "holds out more"
        )
    if not trainer.position.steps:
        for note in (*findings(job.data, job.architecture.input.sixteen_bit), *_shrinking(job)):
            say(f"note: {note}")
    if trainer.checkpoint is not None:
        for name in trainer.checkpoint.facts.get("damaged", ()):
            say(f"a damaged checkpoint was skipped: {name}")
    if trainer.epoch >= trainer.until:
        say("every epoch is done; model.keras is written from the checkpoints")
    elif trainer.position.steps:
        say(f"resuming at epoch {trainer.epoch + 1}, step {trainer.position.step}")


def _shrinking(job: TrainingJob) -> list[str]:
    """Returns a note if photographs lose much because the network's input is small."""
    size = job.data.facts.get("median") or job.data.smallest
    image_format = training_format(job.architecture.input)
    side = min(image_format.height, image_format.width)
    if size is None or side > SMALL_INPUT or min(size) < SHRINKS_A_LOT * side:
        return []
    height, width = size
    note = (
        f"images of about {width}x{height} are resized to "
        f"{image_format.width}x{image_format.height}"
    )
    larger = min(SHRINKS_A_LOT * side, *(job.data.smallest or size))
    if larger > side and job.architecture.input.train_size is None:
        channels = image_format.channels
        note += f"; --set input.shape=[{larger},{larger},{channels}] keeps more detail"
    return [note]


def _uncertainty(images: int) -> float:
    """Returns half the 95 % interval of an accuracy near 90 %, in points (normal approximation)."""
    return 196 * (0.9 * 0.1 / images) ** 0.5


def _announce_teachers(trainer: Trainer) -> None:
    job, say, rule = trainer.job, trainer.progress.say, trainer.job.recipe.distill
    if rule is None:
        return
    if not job.teachers:
        say("note: the recipe distills, but no --teacher is named: it trains on the labels alone")
        return
    for teacher in job.teachers:
        accuracy, split = teacher.record.accuracy, teacher.record.split
        measured = "" if accuracy is None else f", {split} accuracy {100 * accuracy:.2f} %"
        say(f"teacher {teacher.name}{measured}")
    term = (
        f"divergence at temperature {rule.temperature:g}"
        if rule.loss == "kl"
        else "difference of logits"
    )
    say(f"loss: {1 - rule.weight:g} of the recipe's and {rule.weight:g} of the teacher's {term}")


def _announce_freezing(trainer: Trainer) -> None:
    plan, rows = trainer.assembly.freezing.plan, trainer.assembly.freezing.rows
    if not rows:
        return
    recipe = trainer.job.recipe
    weights = sum(row.parameters for row in plan.rows if row.name in rows)
    until = f" until epoch {recipe.unfreeze_at}" if recipe.unfreeze_at is not None else ""
    trainer.progress.say(
        f"frozen{until}: {', '.join(recipe.freeze)} ({counted(weights, 'weight')})"
    )
    if early := trainable_before(plan, rows):
        trainer.progress.say(
            f"{', '.join(early)} are trained although frozen layer groups come after them; "
            "a range such as stem..stage2 freezes all of them"
        )


def device_facts(setup: DeviceSetup) -> dict[str, Any]:
    """Returns what run.json records of the devices."""
    return {
        "strategy": setup.strategy_name,
        "devices": list(setup.devices),
        "replicas": setup.replicas,
        "workers": list(setup.cluster.addresses) if setup.cluster else 1,
        "sync_norm": setup.sync_norm,
        "accumulate": setup.accumulate,
        "xla": setup.xla,
        "data_service": setup.data_service,
        "precision": setup.precision,
        "reason": None,
    }


def shared_facts(job: TrainingJob, setup: DeviceSetup, *, until: int) -> dict[str, Any]:
    """Returns what must be equal on all workers, by the names of the fields."""
    return {
        "seed": job.seed,
        "epochs to train": until,
        "training images": len(job.train_split),
        "training labels": job.labels_sha256,
        "precision": setup.precision,
        "sync_norm": setup.sync_norm,
        "accumulate": setup.accumulate,
        "teachers": [teacher.record.sha256 for teacher in job.teachers],
        **flatten(to_mapping(job.architecture), "network"),
        **flatten(to_mapping(job.recipe), "recipe"),
        **versions(("tensorflow", "keras", "numpy")),
    }


def result_facts(trainer: Trainer, evaluation: Evaluation | None) -> dict[str, Any]:
    """Returns what run.json records of the result."""
    facts: dict[str, Any] = {
        "kept": trainer.job.recipe.validation.keep,
        "best": trainer.validator.best,
    }
    if trainer.position.ended:
        facts[ENDED_EARLY] = True
    if evaluation is not None:
        facts |= {
            "test_split": evaluation.split,
            "test_accuracy": evaluation.accuracy,
            "test_interval95": list(evaluation.interval),
            "test_views": evaluation.views.to_dict(),
        }
    return facts


def evaluation_line(trainer: Trainer, evaluation: Evaluation) -> Mapping[str, Any]:
    """Returns the line of metrics.jsonl for the evaluation of the trained network."""
    return {
        "kind": "evaluation",
        "split": evaluation.split,
        "epoch": trainer.epoch,
        "step": trainer.position.steps,
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "top5": evaluation.top5,
        "examples": evaluation.examples,
        "views": evaluation.views.count,
    }


def data_facts(job: TrainingJob, options: DataOptions) -> dict[str, Any]:
    """Returns what data.json records: enough to open the data again and to recognise them."""
    return {
        "name": job.data.name,
        "reopens": job.data.name != IN_MEMORY,
        "classes": list(job.data.classes),
        "splits": dict(job.data.splits),
        "training_labels_sha256": job.labels_sha256,
        "skip_bad_images": options.skip_bad_images,
        "skipped": [str(path) for path in job.data.skipped],
        "data_dir": None if options.data_dir is None else str(options.data_dir),
        "class_weights": job.class_weights,
        "validation": {
            "fraction": job.recipe.validation.fraction,
            "seed": job.seed,
            "images": 0 if job.val_split is None else len(job.val_split),
        },
    }
