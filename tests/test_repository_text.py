"""Nothing in the repository names a package registry's host or a path of one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Written in two parts, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a registry's host": re.compile(
        "|".join(["pypi" r"\.", "python" + "hosted", "anaconda" r"\.org"])
    ),
    "pip's choice of registry": re.compile("(--|extra[-_])index[-_]url"),
    "a path of one machine": re.compile(r"(?<![\w.}/])/(work|root|Users|home/\w+|opt/\w+)" r"/\w"),
}


def tracked_files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_names(what):
    found = []
    for file in tracked_files():
        if not file.is_file():
            continue
        text = file.read_bytes().decode(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN[what].search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found


def test_the_constraints_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in pins)
