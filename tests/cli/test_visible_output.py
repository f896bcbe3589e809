"""Control characters in names are written out wherever a command prints them."""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reszoo as package
from reszoo.cli import list as list_command
from reszoo.errors import CONTROL
from reszoo.training.console.progress import Progress
from reszoo.visible_output import VisibleStream, unfiltered, visible_streams
from tests.cli.conftest import TINY
from tests.inference.test_evaluate_tflite import tflite  # noqa: F401 - a fixture

EVIL = "a\x1b[31m\x07\x9b2J\u202egpj\u2066"
"""ESC, BEL, the one-byte CSI, and two characters that turn a text round."""
SHOWN = "a\\x1b[31m\\x07\\x9b2J\\u202egpj\\u2066"


def invisible(result) -> list[str]:
    return CONTROL.findall(result.out + result.err)


@pytest.fixture
def pictures(tmp_path):
    """Class folders, one of them with an evil name, that hold a file with one."""
    random = np.random.default_rng(0)
    root = tmp_path / "photos"
    for label in (EVIL, *map(str, range(9))):
        folder = root / label
        folder.mkdir(parents=True)
        for number in range(5):
            pixels = random.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}{EVIL}.png")
    return root


def test_commands_that_name_a_file(reszoo, tmp_path):
    spec = tmp_path / f"{EVIL}.yaml"
    spec.write_text(TINY)
    for words in (
        ("validate", spec),
        ("validate", tmp_path / f"{EVIL}2.yaml"),
        ("show", spec),
        ("show", spec, "--diagram", f"{EVIL}.svg"),
        ("show", EVIL),
        ("list", EVIL),
        ("build", spec, "-o", f"{EVIL}.keras"),
        ("build", spec, "-o", EVIL),
        ("build", spec, "--weights", f"{EVIL}.h5"),
        ("predict", EVIL, EVIL),
        ("evaluate", f"{EVIL}.tflite", "--data", "digits"),
        ("evaluate", EVIL, "--data", EVIL),
        ("data", EVIL),
        ("data", f"folder:{EVIL}"),
        ("data", "digits", "--sheet", EVIL),
        ("train", spec, "--data", EVIL),
        ("train", spec, "--set", f"{EVIL}=1"),
        ("train", spec, f"--{EVIL}", "1"),
        ("resume", EVIL),
        ("export", EVIL, "--target", EVIL),
        ("export", EVIL, "--target", "server"),
        ("tune", EVIL),
        ("deepen", EVIL, "--depths", "1"),
        ("widen", EVIL),
        ("schema", EVIL),
        (EVIL,),
    ):
        result = reszoo(*words)
        assert SHOWN in result.out + result.err, (words, result)
        assert invisible(result) == [], words


def test_results_that_name_a_class_or_a_picture(reszoo, tflite, pictures, tmp_path):  # noqa: F811
    file = tmp_path / "model.tflite"
    file.write_bytes(tflite.read_bytes())
    labels = [EVIL, *map(str, range(9))]
    file.with_name("labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    evil_folder = pictures / EVIL
    for words in (
        ("predict", file, evil_folder),
        ("predict", file, evil_folder, "--csv"),
        ("evaluate", file, "--data", f"folder:{pictures}"),
        ("data", f"folder:{pictures}"),
    ):
        result = reszoo(*words)
        assert result.code == 0, result.err
        assert "\\x1b[31m" in result.out, words
        assert invisible(result) == [], words


def test_json_is_valid_and_exact(reszoo, tflite, pictures):  # noqa: F811
    result = reszoo("predict", tflite, pictures / EVIL, "--json")
    assert invisible(result) == []
    assert all(EVIL in prediction["path"] for prediction in json.loads(result.out))
    result = reszoo("evaluate", tflite, "--data", f"folder:{pictures}", "--json")
    assert invisible(result) == []
    assert EVIL in [row["name"] for row in json.loads(result.out)["classes"]]


def test_everything_that_is_printed_in_a_command(reszoo, monkeypatch):
    def run(options):
        print(EVIL)
        sys.stdout.writelines([EVIL, "\n"])
        sys.stderr.write(f"note: {EVIL}\n")
        print(EVIL, file=sys.stderr)
        raise KeyboardInterrupt(f"stopped; the same command goes on: reszoo tune {EVIL}")

    monkeypatch.setattr(list_command, "run", run)
    result = reszoo("list")
    assert invisible(result) == []
    assert (result.out.count(SHOWN), result.err.count(SHOWN)) == (2, 3)


def test_a_note(reszoo, monkeypatch):
    from reszoo.cli.output import print_warnings

    def run(options):
        with print_warnings():
            warnings.warn(EVIL, stacklevel=1)

    monkeypatch.setattr(list_command, "run", run)
    result = reszoo("list")
    assert result.err == f"note: {SHOWN}\n"


class Terminal(io.StringIO):
    """Looks like a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_bar_still_moves(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with visible_streams():
        progress = Progress(1, 10, 1)
        progress.step(1, 5, {"loss": 1.0})
        progress.say(EVIL)
    text = terminal.getvalue()
    assert "\x1b[?25l" in text and "\\x1b[?25l" not in text
    assert text.endswith(SHOWN + "\n")


def test_the_streams_are_as_before_afterwards_and_are_wrapped_once():
    before = sys.stdout, sys.stderr
    with visible_streams():
        outer = sys.stdout
        assert isinstance(outer, VisibleStream)
        assert unfiltered(outer) is before[0]
        with visible_streams():
            assert sys.stdout is outer
    assert (sys.stdout, sys.stderr) == before


def test_a_missing_stream_stays_missing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with visible_streams():
        assert sys.stderr is None


def test_bytes_pass_unchanged():
    raw = io.BytesIO()
    stream = VisibleStream(io.TextIOWrapper(raw, write_through=True))
    stream.buffer.write(b"\x1b")
    assert (stream.write("\x1b"), raw.getvalue()) == (1, b"\x1b\\x1b")


def test_nothing_goes_round_the_streams():
    """Neither to the file descriptors nor to the streams below, except for bars that move."""
    bars = (
        "visible_output.py",
        "moving_output.py",
        "report_progress.py",
        "fetch.py",
        "tfds.py",
        "image_check.py",
    )
    around = re.compile(r"sys\.__std|os\.write\([12],|std(out|err)\.buffer|unfiltered\(")
    folder = Path(package.__file__).parent
    found = {
        path.name
        for path in folder.rglob("*.py")
        if around.search(path.read_text(encoding="utf-8"))
    }
    assert found <= set(bars)
