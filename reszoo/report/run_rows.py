"""Runs as rows of a table: what was trained on what, what it costs, and how good it became."""

from __future__ import annotations

import hashlib
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.errors import ReszooError
from reszoo.planning.cost import cost
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; what is not known is None, and `problem` says why a run is broken."""

    path: Path
    name: str
    state: str
    problem: str | None = None
    network: str | None = None
    data: str | None = None
    recipe: str | None = None
    seed: int | None = None
    epochs: int | None = None
    planned_epochs: int | None = None
    minutes: float | None = None
    parameters: int | None = None
    macs: int | None = None
    depth: int | None = None
    spec: str | None = None
    """The network in a line, such as `20 layers; depths 3-3-3, widths 16-32-64; residual`."""
    split: str | None = None
    """The split of `accuracy`, `validation` where there is no test accuracy."""
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    twins: str | None = None
    """Equal for runs that differ in nothing but the seed."""

    @property
    def is_broken(self) -> bool:
        """Whether the folder cannot be read as a run."""
        return self.state == "broken"


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """Accuracy over runs that differ in nothing but the seed."""

    twins: str
    """That of the rows."""
    network: str
    data: str
    recipe: str
    split: str
    seeds: tuple[int, ...]
    mean: float
    deviation: float
    """Standard deviation of the sample."""
    least: float
    most: float


def run_row(path: Path) -> RunRow:
    """Returns the row of a run folder; one that cannot be read is a row with a problem."""
    try:
        return _readable_row(Run.open(path))
    except ReszooError as error:
        return broken_row(path, error.what + (f": {error.found}" if error.found else ""))
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        return broken_row(path, f"{type(error).__name__}: {error}")


def broken_row(path: Path, problem: str) -> RunRow:
    """Returns the row of a folder that is no readable run."""
    return RunRow(path, path.resolve().name, "broken", problem)


def spec_text(architecture: Architecture, depth: int) -> str:
    """Returns a network in a line: its layers, stages and connection."""
    depths = "-".join(str(stage.depth) for stage in architecture.stages)
    widths = "-".join(str(stage.width) for stage in architecture.stages)
    connections = {
        str(stage.connection or architecture.block.connection) for stage in architecture.stages
    }
    joined = ", ".join(sorted(connections))
    return f"{depth} layers; depths {depths}, widths {widths}; {joined}"


def seed_spreads(rows: Iterable[RunRow]) -> list[SeedSpread]:
    """Returns mean and spread of every group of two or more finished runs, best first."""
    groups: dict[tuple[str, str], list[RunRow]] = defaultdict(list)
    for row in rows:
        if row.state == "finished" and row.twins is not None and row.accuracy is not None:
            groups[row.twins, row.split or ""].append(row)
    spreads = [
        _spread(members)
        for members in groups.values()
        if len({member.seed for member in members}) > 1
    ]
    return sorted(spreads, key=lambda spread: -spread.mean)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Returns the positions of `(cost, accuracy)` that none beats in both, cheapest first.

    >>> pareto_front([(2, 0.9), (1, 0.8), (3, 0.85), (4, 0.95)])
    [1, 0, 3]
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1])):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _readable_row(run: Run) -> RunRow:
    info, data = run.info, run.data()
    architecture, recipe = run.architecture(), run.recipe()
    network = cost(architecture)
    accuracy, split = run.accuracy()
    interval = None if split == "validation" else info.get("test_interval95")
    return RunRow(
        path=run.path,
        name=run.name,
        state=run.state,
        problem=info.get("reason"),
        network=architecture.name,
        data=str(data.get("name")),
        recipe=recipe.name,
        seed=run.seed,
        epochs=info.get("epochs"),
        planned_epochs=recipe.epochs,
        minutes=run.seconds() / 60 or None,
        parameters=network.parameters,
        macs=network.macs,
        depth=network.depth,
        spec=spec_text(architecture, network.depth),
        split=split,
        accuracy=accuracy,
        interval=(float(interval[0]), float(interval[1])) if interval else None,
        twins=_identity(run, data),
    )


def _identity(run: Run, data: Mapping[str, Any]) -> str:
    """Returns a digest of the network, recipe, initial weights, teachers and data.

    Of the data, not the labels that train: the seed draws those that are held out.
    """
    parts = [
        *((run.path / name).read_text("utf-8") for name in ("architecture.yaml", "recipe.yaml")),
        repr([data.get(key) for key in ("name", "classes", "splits", "class_weights")]),
        repr((run.info.get("start") or {}).get("source")),
        repr([teacher.get("sha256") for teacher in run.info.get("teachers", ())]),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _spread(members: Sequence[RunRow]) -> SeedSpread:
    accuracies = [member.accuracy or 0.0 for member in members]
    first = members[0]
    return SeedSpread(
        twins=first.twins or "",
        network=first.network or "",
        data=first.data or "",
        recipe=first.recipe or "",
        split=first.split or "",
        seeds=tuple(sorted(member.seed or 0 for member in members)),
        mean=statistics.mean(accuracies),
        deviation=statistics.stdev(accuracies),
        least=min(accuracies),
        most=max(accuracies),
    )
