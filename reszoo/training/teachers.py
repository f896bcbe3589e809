"""Teachers: trained networks whose answers a student learns, loaded as graphs of constants."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import keras

from reszoo.inference.folding import Computes
from reszoo.inference.frozen_network import FrozenNetwork, freeze_network
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.runs import Run
from reszoo.training.teacher_record import (
    TeacherRecord,
    as_list,
    find_teacher,
    read_records,
    require_recorded,
    where_now,
)

Teachers: TypeAlias = "Target | Sequence[Target]"
"""One teacher, or several whose answers are averaged."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained network that answers for a student's images."""

    network: FrozenNetwork
    record: TeacherRecord

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return self.record.name


def load_teachers(
    targets: Teachers | None, precision: str, *, student: Path | None = None
) -> tuple[Teacher, ...]:
    """Loads the teachers of a training in a precision.

    Args:
      targets: runs, `.keras` files or models.
      precision: the dtype policy of the student; with bfloat16 the teachers compute in it too.
      student: the run folder of the student.

    Raises:
      UserError: one does not exist, is damaged or unfinished, or is the student's own run.
    """
    found = _with_records(targets, student)
    return tuple(_load(target, record, precision) for target, record in found)


def load_recorded_teachers(
    run: Run, targets: Teachers | None, precision: str
) -> tuple[Teacher, ...]:
    """Loads the teachers that run.json records, those that moved from where `targets` are.

    Raises:
      UserError: one is not there, or is another network than when the run began.
    """
    found = _with_records(targets, run.path)
    named, recorded = [record for _, record in found], read_records(run.info)
    require_recorded(run, named, recorded)
    teachers = []
    for teacher in recorded:
        record = where_now(run, teacher, named)
        in_memory = (target for target, other in found if other.sha256 == record.sha256)
        target = next(in_memory) if record.path is None else record.path
        teachers.append(_load(target, record, precision))
    return tuple(teachers)


def _with_records(
    targets: Teachers | None, student: Path | None
) -> list[tuple[Target, TeacherRecord]]:
    """Returns each teacher with its record."""
    return [(target, _record(target, student)) for target in as_list(targets)]


def _record(target: Target, student: Path | None) -> TeacherRecord:
    if isinstance(target, TrainedModel) and target.run is not None:
        target = target.run
    if isinstance(target, (Run, str, Path)):
        return find_teacher(target, student)
    return TeacherRecord(None, _weights_sha256(load_trained(target).model))


def _load(target: Target, record: TeacherRecord, precision: str) -> Teacher:
    computes: Computes = "bfloat16" if precision == "mixed_bfloat16" else "float32"
    return Teacher(freeze_network(load_trained(target), computes), record)


def _weights_sha256(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight)
        digest.update(f"{values.dtype} {values.shape} ".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
