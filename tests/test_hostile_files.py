"""Hostile and odd files are refused in one sentence or read rightly, whatever reads them.

The rows are in `tests/hostile/`; one child process makes and reads all of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.__main__ import rows
from tests.hostile.rows import Row

MOST_SECONDS = 300
"""Of the child; a row that waits is given up after 20 seconds."""
MOST_MEBIBYTES = 1024
ROWS = rows()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hostile")
    child = subprocess.run(
        [sys.executable, "-m", "tests.hostile", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        timeout=MOST_SECONDS,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"RESZOO_DATA": str(folder / "cache")},
    )
    assert child.returncode == 0, child.stderr[-2000:]
    result: dict[str, dict[str, Any]] = json.loads((folder / "answers.json").read_text())
    assert not (folder / "harm").exists()
    return result


def test_the_table_is_large_and_names_each_row_once() -> None:
    assert len(ROWS) >= 120
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_file_is_refused_in_a_sentence_or_read_rightly(
    answers: dict[str, dict[str, Any]], row: Row
) -> None:
    answer = answers[row.name]
    text = answer["text"]
    assert re.search(row.expected, text, re.DOTALL), text
    assert answer["code"] == (row.exit_code if row.expected.startswith("error: ") else 0), text
    assert "unexpected" not in text and "Traceback" not in text


def test_no_file_takes_over_a_gibibyte(answers: dict[str, dict[str, Any]]) -> None:
    """`ru_maxrss` only grows, so that what each row adds to it is what all take together."""
    grown = {name: answer["mebibytes"] for name, answer in answers.items() if answer["mebibytes"]}
    assert sum(grown.values()) <= MOST_MEBIBYTES, sorted(grown.items(), key=lambda item: -item[1])
