"""What a study found, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reszoo.report.text import facts

if TYPE_CHECKING:
    from reszoo.studies.study_folder import StudyResult


def study_text(result: StudyResult[Any]) -> str:
    """Returns the findings of a study and where its files are."""
    folder = result.folder
    paths = [
        ("figure", str(folder / "figure.png")),
        ("table", str(folder / "table.csv")),
        ("summary", str(folder / "summary.md")),
    ]
    return "\n".join([*result.findings, "", facts(paths)])
