"""Small searches on disk, and a stand-in for the training of a trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reszoo.tuning import Outcome, TrialJob

BASE = """\
name: tiny
input: {shape: [8, 8, 1]}
stem: {filters: 4, kernel: 3}
block: {shortcut: zero_pad}
stages:
  - {depth: 1, width: 4}
  - {depth: 2, width: 8, stride: 2}
  - {depth: 1, width: 16, stride: 2}
classes: 10
"""

SEARCH = """\
name: small
base: base.yaml
recipe: short8
space:
  stages[each].depth: {min: 1, max: 3}
  block.connection: {choices: [plain, residual, highway]}
strategy: {kind: random, trials: 6, max_epochs: 4}
"""

HYPERBAND = SEARCH.replace(
    "{kind: random, trials: 6, max_epochs: 4}", "{kind: hyperband, max_epochs: 9, factor: 3}"
)


def write(folder: Path, search: str = SEARCH, base: str = BASE) -> Path:
    """A search file with its base beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.yaml").write_text(base)
    file = folder / "search.yaml"
    file.write_text(search)
    return file


def with_space(*lines: str, **fields: str) -> str:
    """A search with this space and these further fields."""
    further = "".join(f"{name}: {value}\n" for name, value in fields.items())
    space = "".join(f"  {line}\n" for line in lines)
    return f"name: small\nbase: base.yaml\nrecipe: short8\n{further}space:\n{space}"


def accuracy(changes: Any, epochs: int) -> float:
    """An accuracy made up from what a trial sets: always the same, and growing with the epochs."""
    digest = hashlib.sha256(repr(sorted(dict(changes).items())).encode()).digest()
    return round(0.5 + digest[0] / 1000 + epochs / 100, 4)


class Trainings:
    """A runner that trains nothing, remembers its jobs, and fails where `fails` has a message."""

    def __init__(self, fails: Callable[[TrialJob], str | None] = lambda job: None) -> None:
        self.jobs: list[TrialJob] = []
        self._fails = fails

    def __call__(self, job: TrialJob) -> Outcome:
        self.jobs.append(job)
        if message := self._fails(job):
            return Outcome(message=message)
        return Outcome(accuracy(job.changes, job.epochs))
