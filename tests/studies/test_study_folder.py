"""The folder of a study: what it holds, how it resumes, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from reszoo.errors import UserError
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.typed_table import Table
from reszoo.studies.study_folder import StudyFolder


@dataclass(frozen=True)
class Number:
    value: int


def finish(folder: StudyFolder):
    return folder.finish(
        title="A study",
        table=Table(Number, (Number(1),)),
        figure=line_panels([LinePanel("t", "x", "y", [Line("a", [1, 2], [1, 2])])]),
        findings=["It is 1."],
        measured=["A number."],
    )


def test_a_finished_study_has_its_files(tmp_path):
    folder = StudyFolder(tmp_path / "s", "count", {"seed": 3})
    folder.step("one", lambda: 1)
    result = finish(folder)
    names = {"figure.png", "figure.svg", "study.json", "summary.md", "table.csv"}
    assert {path.name for path in (tmp_path / "s").iterdir()} == names
    info = json.loads((tmp_path / "s" / "study.json").read_text())
    assert (info["state"], info["inputs"]) == ("finished", {"seed": 3})
    assert "It is 1." in (tmp_path / "s" / "summary.md").read_text()
    assert result.table.column("value") == (1,)


def test_a_killed_study_computes_each_step_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": [1, None]}

    StudyFolder(tmp_path / "s", "count", {"seed": 3}).step("one", compute)
    again = StudyFolder(tmp_path / "s", "count", {"seed": 3})
    assert again.step("one", compute) == {"x": [1, None]}
    assert len(calls) == 1


@pytest.mark.parametrize("inputs", [{"seed": 4}, {"seed": 3, "limit": 5}])
def test_other_inputs_begin_anew(tmp_path, inputs):
    StudyFolder(tmp_path / "s", "count", {"seed": 3}).step("one", lambda: 1)
    assert StudyFolder(tmp_path / "s", "count", inputs).step("one", lambda: 2) == 2


def test_a_finished_study_is_made_anew(tmp_path):
    folder = StudyFolder(tmp_path / "s", "count", {"seed": 3})
    folder.step("one", lambda: 1)
    finish(folder)
    assert StudyFolder(tmp_path / "s", "count", {"seed": 3}).step("one", lambda: 2) == 2


def test_a_study_of_another_version_is_refused(tmp_path):
    StudyFolder(tmp_path / "s", "count", {})
    file = tmp_path / "s" / "study.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 99}))
    with pytest.raises(UserError, match="does not know") as error:
        StudyFolder(tmp_path / "s", "count", {})
    assert "newer reszoo" in error.value.hint


def test_foreign_folders_are_refused(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="not a folder of a study"):
        StudyFolder(tmp_path / "s", "count", {})
    StudyFolder(tmp_path / "other", "count", {})
    with pytest.raises(UserError, match="another study"):
        StudyFolder(tmp_path / "other", "gates", {})
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        StudyFolder(tmp_path / "file", "count", {})
