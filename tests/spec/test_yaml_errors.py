"""A file that is not plain YAML is refused with its place, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reszoo.errors import MachineError, UserError
from reszoo.spec import load
from tests.spec.files import SPEC, position, refusal, write

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"

CASES = [
    ("empty", "", (1, 1), ["empty", "mapping"]),
    ("only comments", "# nothing\n\n", (1, 1), ["empty", "mapping"]),
    ("null", "null\n", (1, 1), ["empty"]),
    ("a list at the top", "- name: x\n", (1, 1), ["mapping", "list of 1"]),
    ("text at the top", "\nresnet50\n", (2, 1), ["mapping", "'resnet50'"]),
    ("duplicate key", "name: a\nclasses: 1\nname: b\n", (3, 1), ["'name'", "twice", ":1:1"]),
    ("duplicate nested", "stem: {kernel: 3, kernel: 5}\n", (1, 19), ["'kernel'", "twice"]),
    ("tab as indentation", "stem:\n\tkernel: 3\n", (2, 1), ["tab", "spaces"]),
    ("tab after a value", "stem: 3\n\tkernel: 3\n", (2, 1), ["tab", "spaces"]),
    ("alias bomb", BOMB, (2, 8), ["alias", "*a", "extends"]),
    ("alias to itself", "a: &a [*a]\n", (1, 8), ["alias", "*a"]),
    ("unknown alias", "stages: *base\n", (1, 9), ["alias", "*base"]),
    ("merge key", "a: &a {b: 1}\nc: {<<: *a}\n", (2, 9), ["alias", "*a"]),
    ("python tag", "name: !!python/object/apply:os.system ['ls']\n", (1, 7), ["tag", "python"]),
    ("standard tag", "name: x\nclasses: !!int '3'\n", (2, 10), ["tag", "!!int"]),
    ("local tag", "name: !mine x\n", (1, 7), ["tag", "!mine"]),
    ("tag on a key", "!!str name: x\n", (1, 1), ["tag", "!!str"]),
    ("several documents", "name: a\n---\nname: b\n", (2, 1), ["several", "one document"]),
    ("unclosed bracket", "name: x\ninput: {shape: [1, 2\n", (3, 1), ["YAML", "]"]),
    ("unclosed quote", "name: 'x\n", (2, 1), ["YAML", "quoted"]),
    ("colon in a value", "title: a: b\n", (1, 9), ["YAML", "title: a: b"]),
    ("bad indentation", "a:\n    b: 1\n  c: 2\n", (3, 3), ["YAML", "indentation"]),
    ("a list as a key", "? [a, b]\n: 1\n", (1, 3), ["key", "word"]),
    ("unquoted braces", "name: {{ x }}\n", (1, 8), ["key", "word"]),
    ("a number without end", "classes: " + "9" * 5000, (1, 10), ["large", "5000 digits"]),
    ("too deep", "a: " + "[" * 200_000, (1, 102), ["deep", "100"]),
    ("control character", "name: x\ntitle: a\x07b\n", (2, 9), ["control character", "U+0007"]),
    ("binary", b"\x89PNG\r\n\x1a\n\x00\x00", (3, 1), ["binary", "UTF-8"]),
    ("not UTF-8", b"name: x\ntitle: caf\xe9\n", (2, 11), ["UTF-8", "0xe9"]),
    ("UTF-16", "name: x\n".encode("utf-16"), (1, 4), ["binary", "UTF-8"]),
]


@pytest.mark.parametrize(("text", "at", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_is_no_plain_yaml_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, at: tuple[int, int], words: list[str]
) -> None:
    file = write(tmp_path, "bad.yaml", text)
    error = refusal(file)
    assert position(error) == at
    assert str(error.where) == f"{file}:{at[0]}:{at[1]}"
    assert [word for word in words if word not in str(error)] == []


def test_a_file_that_is_too_large_is_not_read_as_a_spec(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "large.yaml", "# " + "x" * (1 << 20)))
    assert "too large" in error.what


def test_a_missing_file_names_a_file_like_it(tmp_path: Path) -> None:
    write(tmp_path, "my_net.yaml", SPEC)
    error = refusal(str(tmp_path / "mynet.yaml"))
    assert "mynet.yaml" in error.what
    assert "my_net.yaml" in str(error.hint)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    error = refusal(str(tmp_path / "nowhere" / "net.yaml"))
    assert "nowhere is not in" in str(error.hint)


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    assert "folder" in refusal(str(tmp_path / "")).what


def test_a_zero_byte_in_a_file_name_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match="zero byte"):
        load("a\x00b.yaml")


def test_a_file_that_cannot_be_read_is_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "mine.yaml", SPEC)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MachineError, match=r"cannot read .*mine\.yaml: Permission denied"):
        load(file)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-4", 1e-4),
        ("4.1e9", 4.1e9),
        ("4.089e+9", 4.089e9),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2", -2.0),
        ("010", 10.0),
        ("0x10", 16.0),
        ("1E3", 1000.0),
    ],
)
def test_numbers_are_those_of_yaml_1_2(tmp_path: Path, written: str, value: float) -> None:
    spec = load(write(tmp_path, "a.yaml", SPEC + f"head: {{logit_scale: {written}}}\n"))
    assert spec.head.logit_scale == value


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "y", "1_000", "12:30:00", "2020-01-02"])
def test_words_stay_words(tmp_path: Path, word: str) -> None:
    assert load(write(tmp_path, "a.yaml", SPEC + f"title: {word}\n")).title == word


@pytest.mark.parametrize("word", ["'3'", '"3"', "'true'", "'null'"])
def test_quoted_values_are_text(tmp_path: Path, word: str) -> None:
    assert load(write(tmp_path, "a.yaml", SPEC + f"title: {word}\n")).title == word.strip("'\"")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    plain = load(write(tmp_path, "a.yaml", SPEC))
    windows = load(write(tmp_path, "b.yaml", b"\xef\xbb\xbf" + SPEC.replace("\n", "\r\n").encode()))
    assert windows == plain
    assert str(windows.where("stages", 1, "width")).endswith("b.yaml:10:12")
