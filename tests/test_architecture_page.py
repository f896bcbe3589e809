"""ARCHITECTURE.md names files and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PATHS = sorted(
    {
        text
        for text in re.findall(r"`([\w./<>-]+)`", PAGE)
        if re.search(r"/|\.(py|md|yaml)$", text) and "<" not in text
    }
)
FIELD_WORDS = ("mixup", "cutmix", "tta", "warmup", "EMA", "param_groups", "precise_bn", "drop_path")


def exists(path: str) -> bool:
    return any((folder / path).exists() for folder in (ROOT, ROOT / "reszoo"))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_on_the_page_exists(path):
    assert exists(path), f"ARCHITECTURE.md names {path}"


def test_a_path_that_does_not_exist_would_be_found():
    assert len(PATHS) > 60
    assert not exists("training/session.py")


@pytest.mark.parametrize("word", FIELD_WORDS)
def test_the_table_finds_what_people_look_for(word):
    table = PAGE.partition("## Where is ...")[2].partition("## Where to add ...")[0]
    assert word in table


def test_the_six_files_of_a_training_are_listed_in_order():
    section = PAGE.partition("## One training")[2].partition("## One export")[0]
    files = re.findall(r"^\| \d \| `([\w/.]+)`", section, re.MULTILINE)
    assert files[0] == "training/train.py"
    assert len(files) <= 6
