"""What do a run folder and a person hear about a training before and after it?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.inference.metrics import Evaluation
from reszoo.spec import to_mapping
from reszoo.system_info import versions
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.distribution.workers import flat
from reszoo.training.freezing import learns_before
from reszoo.training.job import TrainingJob
from reszoo.training.trainer import Trainer

IN_MEMORY = "arrays"
"""What `ImageData.name` says where no word opens the data again."""


def announce(session: Trainer, state: Any, start: Mapping[str, Any] | None = None) -> None:
    """Tells what trains on what, from where, and what stays as it is.

    Args:
      session: about to train.
      state: what it goes on from, or None.
      start: where its first weights came from, as run.json has it; None for fresh ones.
    """
    job = session.job
    held = f", {len(job.held_out):,} held out" if job.held_out is not None else ""
    session.progress.say(
        f"{job.architecture.name} on {job.data.name}: {len(job.kept):,} images{held}, "
        f"{job.steps} steps of {job.batch} in each of {job.recipe.epochs} epochs, "
        f"{session.placement.precision}, {session.placement.strategy_name}"
    )
    if job.data.skipped:
        session.progress.say(f"{len(job.data.skipped)} broken images are left out")
    if start is not None:
        new = ", ".join(start["new_layers"])
        session.progress.say(f"from {start['source']}" + (f", {new} anew" if new else ""))
    _announce_freezing(session)
    if state is not None:
        for name in state.facts.get("damaged", ()):
            session.progress.say(f"a damaged state was passed over: {name}")
        where = f"epoch {session.epoch + 1}, step {session.position.step}"
        session.progress.say(f"going on from {where}")


def _announce_freezing(session: Trainer) -> None:
    plan, rows = session.parts.freezing.plan, session.parts.freezing.rows
    if not rows:
        return
    weights = sum(row.parameters for row in plan.rows if row.name in rows)
    opening = session.job.recipe.unfreeze_at
    until = f" until epoch {opening}" if opening is not None else ""
    frozen = ", ".join(session.job.recipe.freeze)
    session.progress.say(f"frozen{until}: {frozen} ({weights:,} weights)")
    if early := learns_before(plan, rows):
        session.progress.say(
            f"{', '.join(early)} learn though frozen parts come after them; "
            "a range such as stem..stage2 freezes all of them"
        )


def circumstances(session: Trainer) -> dict[str, Any]:
    """What run.json says about where it runs."""
    placement = session.placement
    return {
        "strategy": placement.strategy_name,
        "devices": list(placement.devices),
        "replicas": placement.replicas,
        "workers": list(placement.cluster.addresses) if placement.cluster else 1,
        "sync_norm": placement.sync_norm,
        "accumulate": placement.accumulate,
        "xla": placement.xla,
        "data_service": placement.data_service,
        "precision": placement.precision,
        "reason": None,
    }


def shared_facts(
    job: TrainingJob, placement: DeviceSetup, *, seed: int, until: int
) -> dict[str, Any]:
    """What must be the same on all workers, by the names of the fields."""
    return {
        "seed": seed,
        "epochs to train": until,
        "training images": len(job.kept),
        "training labels": labels_digest(job),
        "precision": placement.precision,
        "sync_norm": placement.sync_norm,
        "accumulate": placement.accumulate,
        **flat(to_mapping(job.architecture), "network"),
        **flat(to_mapping(job.recipe), "recipe"),
        **versions(("tensorflow", "keras", "numpy")),
    }


def results(session: Trainer, evaluation: Evaluation | None) -> dict[str, Any]:
    """What run.json says about what was reached."""
    keep = session.job.recipe.validation.keep
    reached: dict[str, Any] = {"kept": keep, "best": session.judge.best}
    if evaluation is not None:
        reached |= {
            "test_split": evaluation.split,
            "test_accuracy": evaluation.accuracy,
            "test_interval95": list(evaluation.interval),
            "test_views": evaluation.views.to_dict(),
        }
    return reached


def data_facts(
    job: TrainingJob, seed: int, skip_bad_images: bool, data_dir: Path | str | None
) -> dict[str, Any]:
    """What data.json says: enough to open the data again and to know that it is the same."""
    validation = job.recipe.validation
    return {
        "name": job.data.name,
        "reopens": job.data.name != IN_MEMORY,
        "classes": list(job.data.classes),
        "splits": dict(job.data.splits),
        "training_labels_sha256": labels_digest(job),
        "skip_bad_images": skip_bad_images,
        "skipped": [str(one) for one in job.data.skipped],
        "data_dir": None if data_dir is None else str(data_dir),
        "class_weights": job.class_weights,
        "validation": {
            "fraction": validation.fraction,
            "seed": seed,
            "images": 0 if job.held_out is None else len(job.held_out),
        },
    }


def labels_digest(job: TrainingJob) -> str:
    """The training images' labels in one word, to know them again."""
    labels = np.ascontiguousarray(job.kept.labels, dtype=np.int32)
    return hashlib.sha256(labels.tobytes()).hexdigest()
