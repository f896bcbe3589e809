"""What the paths of a report name: runs, searches, bundles and studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reszoo.errors import UserError
from reszoo.report.pages.study_sections import STUDY
from reszoo.runs.run_dir import contents
from reszoo.tflite.contract_file import CONTRACT

_RUN, _SEARCH = "run.json", "search.json"
_TRACES = ("architecture.yaml", "metrics.jsonl", "checkpoints")
"""What a run leaves behind whose run.json is gone."""
_DEPTH = 4
"""Folders below a folder in which runs are looked for."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What a page is about; runs may be broken ones."""

    runs: tuple[Path, ...] = ()
    searches: tuple[Path, ...] = ()
    bundles: tuple[Path, ...] = ()
    studies: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, (self.runs, self.searches, self.bundles, self.studies)))


def find_subjects(paths: Sequence[Path | str]) -> Subjects:
    """Returns what paths name; a folder of something else stands for the runs below it.

    Raises:
      UserError: a path does not exist, or there is nothing to report in it.
    """
    found: dict[str, dict[Path, None]] = {
        kind: {} for kind in ("runs", "searches", "bundles", "studies")
    }
    for path in map(Path, paths):
        _require_folder(path)
        kinds = list(_kinds(path))
        if not kinds:
            raise UserError(
                f"there is nothing to report in {path}",
                expected="a run, a search, a bundle or a study, or a folder of runs",
                found=contents(path),
                hint="name a folder that `reszoo train`, `tune` or `export` wrote",
            )
        for kind, folder in kinds:
            found[kind][folder] = None
    return Subjects(**{kind: tuple(folders) for kind, folders in found.items()})


def find_runs(paths: Sequence[Path | str]) -> tuple[Path, ...]:
    """Returns the runs that paths name or that lie below them, also in studies and searches.

    Raises:
      UserError: a path does not exist, or there is no run in it.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        _require_folder(path)
        runs = dict.fromkeys(_runs(path))
        if not runs:
            raise UserError(
                f"there is no run in {path}",
                expected="a run, or a folder of runs",
                found=contents(path),
                hint="name a folder that `reszoo train` wrote",
            )
        found |= runs
    return tuple(found)


def _require_folder(path: Path) -> None:
    if not path.is_dir():
        is_file = path.exists()
        raise UserError(
            f"{path} is a file" if is_file else f"there is no folder {path}",
            expected="the folder of a run, a search, a bundle or a study, or one of runs",
            hint=f"name its folder: {path.parent}" if is_file else "`reszoo train` makes a run",
        )


def _runs(path: Path, depth: int = _DEPTH) -> Iterator[Path]:
    kind = _kind(path)
    if kind == "runs":
        yield path
    elif depth and kind != "bundles":
        for folder in _folders(path):
            yield from _runs(folder, depth - 1)


def _kinds(path: Path, depth: int = _DEPTH) -> Iterator[tuple[str, Path]]:
    """Yields a folder under its kind, or what lies below a folder without one."""
    if kind := _kind(path):
        yield kind, path
    elif depth:
        for folder in _folders(path):
            yield from _kinds(folder, depth - 1)


def _folders(path: Path) -> list[Path]:
    return [
        folder
        for folder in sorted(path.iterdir())
        if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
    ]


def _kind(path: Path) -> str | None:
    if (path / _RUN).exists():
        return "runs"
    for name, kind in ((_SEARCH, "searches"), (CONTRACT, "bundles"), (STUDY, "studies")):
        if (path / name).is_file():
            return kind
    return "runs" if any((path / name).exists() for name in _TRACES) else None
