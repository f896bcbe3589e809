"""Runs that are found in folders of other things."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.report.pages.subjects import find_runs
from tests.report.sample_runs import finished_run


def test_runs_are_found_in_studies_and_searches_but_not_in_runs(tmp_path):
    paths = [tmp_path / "study" / "runs" / "a", tmp_path / "search" / "trials" / "b"]
    for path in paths:
        finished_run(path)
    (tmp_path / "study" / "study.json").write_text("{}")
    (tmp_path / "search" / "search.json").write_text("{}")
    finished_run(paths[0] / "study" / "deepen" / "runs" / "deeper")
    assert find_runs([tmp_path]) == tuple(sorted(paths))
    assert find_runs([tmp_path / "study", paths[0]]) == (paths[0],)


def test_a_folder_without_runs_is_refused(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(UserError, match="there is no run in"):
        find_runs([tmp_path])
    with pytest.raises(UserError, match="there is no folder"):
        find_runs([tmp_path / "gone"])
