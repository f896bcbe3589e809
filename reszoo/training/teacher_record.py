"""The record of a teacher: where it is, its hash and its accuracy; found without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.tflite.contract_file import sha256_of

TEACHERS = "teachers"
"""Key of run.json and search.json; absent without teachers."""


@dataclass(frozen=True, slots=True)
class TeacherRecord:
    """What run.json records of a teacher, and by which a resumed run recognises it."""

    path: Path | None
    """The absolute path of its run or file; None for a network in memory."""
    sha256: str
    """The hash of its `.keras` file, or of the weights of a network in memory."""
    accuracy: float | None = None
    """The accuracy that its run reports."""
    split: str | None = None
    """The images on which it was measured."""

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return str(self.path or "a network in memory")

    def facts(self) -> dict[str, Any]:
        """Returns its fields as JSON has them."""
        return {
            "path": None if self.path is None else str(self.path),
            "sha256": self.sha256,
            "accuracy": self.accuracy,
            "split": self.split,
        }


def as_list(teachers: Any) -> list[Any]:
    """Returns no, one or several teachers as a list."""
    if teachers is None:
        return []
    return list(teachers) if isinstance(teachers, list | tuple) else [teachers]


def find_teacher(target: Run | str | Path, student: Path | None = None) -> TeacherRecord:
    """Returns the record of a run or a `.keras` file.

    Raises:
      UserError: it does not exist, has no network yet, or is in the run folder of the student.
    """
    # Searches import this module, and name candidates and costs without NumPy.
    from reszoo.inference.find_network import find_network, require_model

    path = target.path if isinstance(target, Run) else Path(target)
    if student is not None:
        _require_other_run(path, student)
    found = target if isinstance(target, Run) else find_network(target)
    if not isinstance(found, Run):
        return TeacherRecord(found.absolute(), sha256_of(found))
    require_model(found)
    return TeacherRecord(found.path.absolute(), sha256_of(found.model_path), *found.accuracy())


def read_records(info: Mapping[str, Any]) -> list[TeacherRecord]:
    """Returns the teachers that run.json or search.json records."""
    return [
        TeacherRecord(
            None if teacher["path"] is None else Path(teacher["path"]),
            teacher["sha256"],
            teacher["accuracy"],
            teacher["split"],
        )
        for teacher in info.get(TEACHERS, ())
    ]


def where_now(run: Run, recorded: TeacherRecord, named: Iterable[TeacherRecord]) -> TeacherRecord:
    """Returns a recorded teacher with its present path: among the named ones, or where it was.

    Raises:
      UserError: it is not there, or has changed.
    """
    for record in named:
        if record.sha256 == recorded.sha256:
            return replace(recorded, path=record.path)
    if recorded.path is None:
        raise UserError(
            f"a teacher of {run.path} was in memory when the run began",
            expected="the same network again",
            hint="reszoo.resume(..., teacher=MODEL)",
        )
    if not recorded.path.exists():
        raise UserError(
            f"the teacher {recorded.path} of {run.path} is no longer there",
            expected="its run folder or .keras file",
            found="nothing of this name",
            hint=f"give its new location: `reszoo resume {run.path} --teacher PATH`",
        )
    found = find_teacher(recorded.path, run.path).sha256
    if found != recorded.sha256:
        what = f"the teacher {recorded.path} has changed since {run.path} began"
        raise _other_network(what, [recorded], found)
    return recorded


def require_recorded(
    run: Run, named: Iterable[TeacherRecord], recorded: Iterable[TeacherRecord]
) -> None:
    """Refuses teachers that a resumed run did not begin with.

    Raises:
      UserError: the run began without teachers, or with others.
    """
    recorded = list(recorded)
    for record in named:
        if not recorded:
            raise UserError(
                f"{run.path} was begun without a teacher",
                expected="the teachers that the run began with",
                found=record.name,
                hint="leave out --teacher, or begin a new run with `reszoo train ... --teacher`",
            )
        if record.sha256 not in [teacher.sha256 for teacher in recorded]:
            what = f"{record.name} is not the teacher of {run.path}"
            raise _other_network(what, recorded, record.sha256)


def _require_other_run(teacher: Path, student: Path) -> None:
    own, path = student.resolve(), teacher.resolve()
    if own in (path, *path.parents):
        raise UserError(
            f"{teacher} cannot be its own teacher: it is the run folder of the student",
            expected="another run, or a .keras file outside it",
            found=str(teacher),
            hint="name another folder for the student with -o; a network may teach a new run of "
            "itself",
        )


def _other_network(what: str, recorded: Iterable[TeacherRecord], found: str) -> UserError:
    return UserError(
        what,
        expected=f"the SHA-256 {', '.join(record.sha256 for record in recorded)}",
        found=found,
        hint="put the network back, say where a copy of it is with --teacher PATH, or begin a new "
        "run",
    )
