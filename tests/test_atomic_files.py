"""Files appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reszoo import atomic_files
from reszoo.errors import MachineError


def test_a_file_takes_its_name_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "value.json"
    atomic_files.write_json(path, {"a": [1, 2]})
    assert json.loads(path.read_text()) == {"a": [1, 2]}
    assert os.listdir(path.parent) == ["value.json"]


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_an_exception_leaves_what_stood_there(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "model.keras"
    path.write_text("old")
    with pytest.raises(type(failure)), atomic_files.atomic_file(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only")]
)
def test_a_full_or_read_only_disk_is_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "report.txt"
    with pytest.raises(MachineError, match=advice) as error:
        atomic_files.write_text(path, "text")
    assert str(path) in str(error.value) and error.value.exit_code == 1
    assert os.listdir(tmp_path) == []


def test_a_name_below_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot write") as error:
        atomic_files.write_text(tmp_path / "file" / "below.txt", "text")
    assert "a part of the path is a file" in str(error.value)


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.txt"
    path.write_text("old")
    program = (
        "import sys, time; from reszoo import atomic_files\n"
        "with atomic_files.atomic_file(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); print('writing', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert path.read_text() == "old"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    for content in ("first", "second"):
        with atomic_files.atomic_folder(path) as temporary:
            (temporary / content).write_text(content)
    assert os.listdir(path) == ["second"]
    assert os.listdir(tmp_path) == ["bundle"]
    with pytest.raises(RuntimeError), atomic_files.atomic_folder(path) as temporary:
        (temporary / "third").write_text("half")
        raise RuntimeError
    assert os.listdir(path) == ["second"]
    assert os.listdir(tmp_path) == ["bundle"]


def test_lines_of_two_writers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    program = (
        "import sys; from reszoo import atomic_files\n"
        "for number in range(200):\n"
        "    atomic_files.append_line(sys.argv[1], sys.argv[2] * 500)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path), letter]) for letter in "ab"
    ]
    for child in children:
        assert child.wait(timeout=60) == 0
    lines = path.read_text().splitlines()
    assert sorted(lines) == ["a" * 500] * 200 + ["b" * 500] * 200


def test_a_disk_that_takes_a_part_of_a_line_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, line: whole(file, line[:3]))
    with pytest.raises(MachineError, match="No space left"):
        atomic_files.append_line(tmp_path / "log.jsonl", "a whole line")


def test_a_partial_file_of_a_dead_process_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".value.999999.partial.txt").write_text("left over")
    atomic_files.write_text(tmp_path / "value.txt", "new")
    assert (tmp_path / "value.txt").read_text() == "new"
    assert time.time() - (tmp_path / "value.txt").stat().st_mtime < 60
