"""`reszoo card -o`: what it replaces, and what it leaves alone."""

from __future__ import annotations

import pytest

from tests.cli.conftest import refused
from tests.report.sample_runs import finished_run


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "run").path


def test_a_card_replaces_an_earlier_one(reszoo, run, tmp_path):
    for _ in range(2):
        assert reszoo("card", run, "-o", "card.md").code == 0
    assert (tmp_path / "card.md").read_text().startswith("---\n# license")


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "", "---\nlicense: mit\nlibrary_name: keras\n"])
def test_a_card_replaces_no_other_file(reszoo, run, tmp_path, text):
    (tmp_path / "env.sh").write_text(text)
    refused(reszoo("card", run, "-o", "env.sh"), "not replaced", "-o env_card.md")
    assert (tmp_path / "env.sh").read_text() == text
