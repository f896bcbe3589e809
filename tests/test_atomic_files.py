"""Files appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reszoo import atomic_files
from reszoo.errors import MachineError
from tests.kills import killed_writer, leftovers


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


def test_a_partial_file_of_version_0_1_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".value.999999.partial.txt").write_text("left over")
    atomic_files.write_text(tmp_path / "value.txt", "new")
    assert (tmp_path / "value.txt").read_text() == "new"
    atomic_files.recover_all(tmp_path)  # Nobody knows whether its writer is alive.
    assert len(os.listdir(tmp_path)) == 2
    atomic_files.remove_unlocked(tmp_path)
    assert os.listdir(tmp_path) == ["value.txt"]


def write_file(path: Path, content: str) -> None:
    atomic_files.write_text(path, content)


def write_folder(path: Path, content: str) -> None:
    with atomic_files.atomic_folder(path) as folder:
        (folder / "one").write_text(content)
        atomic_files.write_text(folder / "two", content)


def read_all(path: Path) -> set[str]:
    """What the file, or the files of the folder, hold."""
    files = [path] if path.is_file() else [path / "one", path / "two"]
    return {file.read_text() for file in files}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("swaps", [True, False])
@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_kill_at_any_operation_leaves_the_old_or_the_new(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, str], None],
    swaps: bool,
) -> None:
    if not swaps:
        monkeypatch.setattr(atomic_files, "_swap", lambda one, other: False)
    path = tmp_path / "value"
    seen = set()
    for moment in range(1, 1000):
        write(path, "old")
        if not killed_writer(lambda: write(path, "new"), tmp_path, moment):
            break
        if not path.exists():
            assert not swaps and write is write_folder
            seen.add("nothing")
            atomic_files.recover(path)
        content = read_all(path)
        assert content in ({"old"}, {"new"}), moment
        seen |= content
        atomic_files.recover(path)
        assert os.listdir(tmp_path) == ["value"], moment
    assert moment > 5
    gap = write is write_folder and not swaps
    assert seen == {"old", "new"} | ({"nothing"} if gap else set())


def test_what_a_living_writer_holds_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "value"
    with atomic_files.atomic_file(path) as temporary:
        temporary.write_text("first")
        atomic_files.recover(path)
        atomic_files.write_text(path, "second")
        assert path.read_text() == "second"
        assert temporary.read_text() == "first"
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["value"]


def test_names_that_begin_alike_are_not_taken_for_each_other(tmp_path: Path) -> None:
    other = tmp_path / ".net.keras.abcdefgh.partial"
    other.mkdir()
    atomic_files.write_text(tmp_path / "net", "text")
    assert leftovers(tmp_path) == [other.name]
    atomic_files.write_text(tmp_path / "net.keras", "text")
    assert leftovers(tmp_path) == []


def test_a_file_system_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLock:
        def acquire(self, blocking: bool = True) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        def release(self) -> None:
            pass

    monkeypatch.setattr(atomic_files, "_lock_of", lambda workspace: NoLock())
    (left := tmp_path / ".value.abcdefgh.partial").mkdir()
    atomic_files.write_text(tmp_path / "value", "text")
    assert sorted(os.listdir(tmp_path)) == [left.name, "value"]  # who holds it is not known


@pytest.mark.skipif(os.name != "posix", reason="there is no umask")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_folder(tmp_path / "folder", "text")
        write_file(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask
    for name in ("file", "folder/two"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~umask
