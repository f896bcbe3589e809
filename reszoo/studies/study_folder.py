"""The folder of a study: figures, tables, findings, and enough to repeat or resume it.

figure.svg, .png   the main figure; further ones have names of their own
table.csv          the main table; further ones have names of their own
summary.md         what was measured, on what, and what was found
study.json         inputs, versions, seeds and findings
steps.jsonl        what an unfinished study has measured so far
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from reszoo.atomic_files import append_line, machine_error, recover_all, write_json, write_text
from reszoo.errors import UserError
from reszoo.figures.style import save_figure
from reszoo.figures.typed_table import RowType, Table
from reszoo.json_text import parse_json
from reszoo.regular_files import require_regular_file
from reszoo.runs.jsonl import read_valid_lines
from reszoo.runs.run_dir import contents
from reszoo.studies.changed_inputs import refuse_other_inputs
from reszoo.system_info import machine, versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "reszoo study"
FORMAT_VERSION = 1

command: ContextVar[Sequence[str] | None] = ContextVar("command", default=None)
"""The command that runs a study, which resumes it too; None for one that Python began."""


@dataclass(frozen=True)
class StudyResult(Generic[RowType]):
    """The result of a study."""

    name: str
    folder: Path
    table: Table[RowType]
    """The main table."""
    findings: tuple[str, ...]
    """Sentences of what was found, with numbers."""
    measured: tuple[str, ...]
    """Sentences of what was measured, and on what."""
    tables: Mapping[str, Table[Any]] = field(default_factory=dict)
    """Further tables by name."""

    def to_frame(self) -> Any:
        """Returns the main table as a `pandas.DataFrame`."""
        return self.table.to_frame()


class StudyFolder:
    """The folder of one study while it is made."""

    def __init__(self, path: Path, name: str, inputs: Mapping[str, Any]) -> None:
        """Opens or creates the folder.

        A study of the same inputs that was interrupted is resumed; any other one is made anew,
        unless it trained runs, which belong to its inputs.

        Raises:
          UserError: the folder holds something else, the study of another version, or runs of
            other inputs (see `refuse_other_inputs`).
          MachineError: it cannot be written.
        """
        self.path = path
        self.name = name
        self._steps_path = path / "steps.jsonl"
        inputs = json.loads(json.dumps(inputs, default=str))
        previous = _read(path, name)
        if previous and any(path.glob("runs/*/run.json")):
            refuse_other_inputs(path, previous.get("inputs", {}), inputs)
        self._info = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "study": name,
            "state": "running",
            "inputs": inputs,
            "command": command.get(),
            "versions": versions(),
            "machine": machine(),
            "created": _now(),
        }
        resumes = previous.get("state") == "running" and previous.get("inputs") == inputs
        if resumes and previous.get("versions") == self._info["versions"]:
            self._steps = {line["step"]: line["value"] for line in self._stored_steps()}
            return
        self._steps = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._steps_path.unlink(missing_ok=True)
        except OSError as error:
            raise machine_error(error, path) from error
        write_json(path / "study.json", self._info)

    def step(self, key: str, compute: Callable[[], Any]) -> Any:
        """Returns what `compute` returns, plain values; an earlier, killed study's are reused."""
        if key not in self._steps:
            self._steps[key] = json.loads(json.dumps(compute()))
            append_line(self._steps_path, json.dumps({"step": key, "value": self._steps[key]}))
        return self._steps[key]

    def finish(
        self,
        *,
        title: str,
        table: Table[RowType],
        figure: Figure,
        findings: Sequence[str],
        measured: Sequence[str],
        tables: Mapping[str, Table[Any]] | None = None,
        figures: Mapping[str, Figure] | None = None,
    ) -> StudyResult[RowType]:
        """Writes all files of the finished study and returns its result."""
        recover_all(self.path)
        all_tables = {"table": table, **(tables or {})}
        all_figures = {"figure": figure, **(figures or {})}
        for name, rows in all_tables.items():
            write_text(self.path / f"{name}.csv", rows.to_csv())
        for name, drawn in all_figures.items():
            save_figure(drawn, self.path / name)
        write_text(
            self.path / "summary.md",
            _summary(title, findings, measured, list(all_figures), list(all_tables)),
        )
        facts = {"title": title, "findings": list(findings), "measured": list(measured)}
        files = {"figures": list(all_figures), "tables": list(all_tables)}
        self._info |= {**facts, **files, "state": "finished", "finished": _now()}
        write_json(self.path / "study.json", self._info)
        self._steps_path.unlink(missing_ok=True)
        return StudyResult(
            self.name, self.path, table, tuple(findings), tuple(measured), dict(tables or {})
        )

    def _stored_steps(self) -> list[dict[str, Any]]:
        return [
            line for line in read_valid_lines(self._steps_path) if {"step", "value"} <= set(line)
        ]


def _read(path: Path, name: str) -> dict[str, Any]:
    """Returns study.json of a folder, or nothing where there is none yet."""
    if not path.exists():
        return {}
    if not path.is_dir():
        raise UserError(
            f"{path} is a file", expected="a folder for the study", hint="choose another -o"
        )
    file = path / "study.json"
    if not file.exists():
        if any(entry.name[0] != "." and entry.name != "runs" for entry in path.iterdir()):
            raise UserError(
                f"{path} is not a folder of a study",
                expected="a new or empty folder, or one of an earlier study",
                found=contents(path),
                hint="choose another -o",
            )
        return {}
    require_regular_file(file)
    try:
        info = parse_json(file.read_bytes())
    except (OSError, ValueError):
        info = None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UserError(
            f"{file} does not describe a study of reszoo",
            hint=f"remove {path}, or choose another -o",
        )
    version = info.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise UserError(
            f"the study in {path} was written in a format that this reszoo does not know",
            expected=f"format version {FORMAT_VERSION} or older",
            found=str(version),
            hint="install a newer reszoo, or choose another -o",
        )
    if info.get("study") != name:
        raise UserError(
            f"{path} holds another study",
            expected=name,
            found=str(info.get("study")),
            hint="choose another -o",
        )
    return info


def _summary(
    title: str,
    findings: Sequence[str],
    measured: Sequence[str],
    figures: Sequence[str],
    tables: Sequence[str],
) -> str:
    parts = [f"# {title}", "\n".join(f"- {finding}" for finding in findings)]
    parts += [f"![{name}]({name}.png)" for name in figures]
    parts += ["## What was measured", "\n".join(f"- {sentence}" for sentence in measured)]
    numbers = ", ".join(f"[{name}.csv]({name}.csv)" for name in tables)
    parts.append(f"Numbers: {numbers}; inputs and versions: [study.json](study.json).")
    return "\n\n".join(parts) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
