"""Names, which folders and graphs are named after, are checked where they are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reszoo.spec import KINDS, names_of, resolve
from tests.spec.files import position, refusal, write

BAD = [
    *(
        "../../esc",
        "/etc/x",
        "a/b",
        "a:b*c?",
        "CON",
        "nul",
        "com1",
        "LPT9.txt",
        "a b",
        "",
        "..",
        ".",
    ),
    *(
        "-x",
        ".hidden",
        "_x",
        "x.",
        "a\\\\b",
        "\\x1b[31mred",
        "a\\nb",
        "n\u00e9t",
        "x" * 101,
        "\U0001f600",
    ),
]
EXAMPLES = {
    "architecture": "resnet20",
    "recipe": "short32",
    "search": "digits_tiny",
    "target": "server-cpu",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_no_name_is_refused_with_one_that_is(
    tmp_path: Path, kind: str, name: str
) -> None:
    text = f'extends: {EXAMPLES[kind]}\nname: "{name}"\n'
    error = refusal(write(tmp_path, "a.yaml", text), kind=kind)
    assert error.what.startswith("name cannot be ")
    assert position(error) == (2, 7)
    line = re.fullmatch("write `(.*)`", str(error.hint))
    assert line
    good = write(tmp_path, "b.yaml", f"extends: {EXAMPLES[kind]}\n{line[1]}\n")
    assert resolve(good, kind).document


@pytest.mark.parametrize("name", ["a", "3x3", "net.v2", "A-b_c", "console", "com10", "x" * 100])
def test_a_plain_name_is_taken(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, "a.yaml", f"extends: resnet20\nname: {name}\n")
    assert resolve(file, "architecture").mapping["name"] == name


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_name_is_a_name(kind: str) -> None:
    assert all(resolve(name, kind).mapping["name"] == name for name in names_of(kind))
