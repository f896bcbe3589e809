"""`reszoo report`: one HTML file about runs, searches, bundles and studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reszoo.atomic_files import write_text
from reszoo.errors import UserError
from reszoo.report.pages.bundle_sections import bundle_sections
from reszoo.report.pages.comparison_sections import comparison_sections
from reszoo.report.pages.rendering import Section, render_page
from reszoo.report.pages.run_sections import run_sections
from reszoo.report.pages.search_sections import search_sections
from reszoo.report.pages.study_sections import study_section, study_title
from reszoo.report.pages.subjects import Subjects, find_subjects
from reszoo.runs import Run

DEFAULT_NAME = Path("report.html")
_OWN = 'name="generator" content="reszoo'


def write_report(paths: Sequence[Path | str], out: Path | str | None = None) -> Path:
    """Writes a page about what `paths` name, and returns its file.

    One run has a page of its own; several are compared. Runs that cannot be read are shown as
    broken.

    Args:
      paths: folders of runs, searches, bundles or studies, or folders of such folders.
      out: the file to write. Defaults to `report.html`; an earlier report is replaced.

    Raises:
      UserError: a path does not exist, there is nothing in it, the only run cannot be opened, or
        `out` is a file that is no report.
      MachineError: the file cannot be written.
    """
    subjects = find_subjects(paths)
    file = DEFAULT_NAME if out is None else Path(out)
    _require_replaceable(file)
    write_text(file, report_html(subjects))
    return file


def report_html(subjects: Subjects) -> str:
    """Returns the page about some subjects."""
    charts: dict[str, Any] = {}
    sections: list[Section] = []
    if len(subjects.runs) == 1:
        sections += run_sections(Run.open(subjects.runs[0]))
    elif subjects.runs:
        sections += comparison_sections(subjects.runs, charts)
    for path in subjects.searches:
        sections += search_sections(path, charts)
    for path in subjects.bundles:
        sections += bundle_sections(path)
    alone = len(subjects) == 1
    sections += [study_section(path, alone=alone) for path in subjects.studies]
    return render_page(_title(subjects), sections, charts or None)


def _title(subjects: Subjects) -> str:
    """Returns the names of what a page is about; of several of a kind, their number."""
    kinds = (
        (subjects.runs, "run", "runs"),
        (subjects.searches, "search", "searches"),
        (subjects.bundles, "bundle", "bundles"),
        (subjects.studies, "study", "studies"),
    )
    words = [
        f"{len(paths)} {many}"
        if len(paths) > 1
        else study_title(paths[0])
        if one == "study"
        else f"{one} {paths[0].resolve().name}"
        for paths, one, many in kinds
        if paths
    ]
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


def _require_replaceable(file: Path) -> None:
    """Raises a `UserError` for a file that is no earlier report."""
    if file.is_file() and _OWN not in file.read_text("utf-8", errors="replace")[:4000]:
        raise UserError(
            f"{file} is not a report of reszoo, so it is not replaced",
            hint="name another file with -o, such as -o reszoo_report.html",
        )
