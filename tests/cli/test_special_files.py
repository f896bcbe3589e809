"""Pipes, sockets and devices are refused in a sentence wherever a file is opened."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = str(Path(__file__).parents[2])
SECONDS = 300
NET = "name: net\nclasses: 2\ninput: {shape: [8, 8, 1]}\nstages: [{depth: 1, width: 4}]\n"

PLACES = {
    "data": ("data", "folder:photos", "photos/a/x.png"),
    "train": ("train", "net.yaml", "--data", "folder:photos", "--epochs", "1", "photos/a/x.png"),
    "train a spec": ("train", "x.yaml", "--data", "digits", "x.yaml"),
    "train --weights": ("train", "net.yaml", "--data", "digits", "--weights", "x.h5", "x.h5"),
    "predict an image": ("predict", "net.keras", "x.png", "x.png"),
    "predict a list": ("predict", "net.keras", "x.txt", "x.txt"),
    "predict a network": ("predict", "x.keras", "good.png", "x.keras"),
    "predict a .tflite": ("predict", "x.tflite", "good.png", "x.tflite"),
    "benchmark a .tflite": ("benchmark", "x.tflite", "x.tflite"),
    "show": ("show", "x.yaml", "x.yaml"),
    "show a recipe": ("show", "--recipe", "x.yaml", "x.yaml"),
    "validate": ("validate", "x.yaml", "x.yaml"),
    "build --weights": ("build", "net.yaml", "--weights", "x.safetensors", "x.safetensors"),
    "evaluate a .tflite": ("evaluate", "x.tflite", "--data", "digits", "x.tflite"),
    "evaluate a network": ("evaluate", "x.keras", "--data", "digits", "x.keras"),
    "evaluate a run": ("evaluate", "run", "run/run.json"),
    "resume a run": ("resume", "run", "run/run.json"),
    "deepen": ("deepen", "x.keras", "--depths", "2", "-o", "d.keras", "x.keras"),
    "export": ("export", "x.keras", "--target", "mobile-float32", "x.keras"),
}
"""The words of a command, and last the path at which the special file lies."""

CHILD = """\
import contextlib, io, json, os, resource, sys
from reszoo.cli import main
root = os.getcwd()
assert main(["build", "net.yaml", "-o", "net.keras"]) == 0
results = {}
for folder, words in json.load(open("commands.json")).items():
    print(folder, *words, file=sys.stderr, flush=True)
    out, err = io.StringIO(), io.StringIO()
    os.chdir(folder)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    os.chdir(root)
    results[folder] = code, out.getvalue(), err.getvalue()
gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
json.dump({"results": results, "gigabytes": gigabytes}, open("results.json", "w"))
"""


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))  # At most 108 bytes long.


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


MAKERS = (make_pipe, make_socket, make_device, Path.mkdir)


def prepare(folder: Path) -> None:
    """Fills a folder with what the commands need."""
    for index in range(8):
        picture = np.random.default_rng(index).integers(0, 255, (9, 9), np.uint8)
        path = folder / f"photos/{'ab'[index % 2]}/{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    shutil.copy(folder / "photos/a/0.png", folder / "good.png")
    (folder / "run").mkdir()
    (folder / "net.yaml").write_text(NET)
    (folder / "net.keras").symlink_to(folder.parents[1] / "net.keras")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Exit code and prints of each command at each special file, all run by one child process."""
    root = tmp_path_factory.mktemp("special")
    (root / "net.yaml").write_text(NET)
    commands = {}
    with contextlib.chdir(root):
        for make in MAKERS:
            for place, (*words, at) in PLACES.items():
                prepare(folder := root / make.__name__ / place)
                make(folder / at)
                commands[f"{make.__name__}/{place}"] = words
        Path("commands.json").write_text(json.dumps(commands))
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        cwd=root,
        env=os.environ | {"RESZOO_DATA": str(root / "cache"), "PYTHONPATH": ROOT},
    )
    assert child.returncode == 0, child.stderr
    answer = json.loads((root / "results.json").read_text())
    assert answer["gigabytes"] < 2
    return answer["results"]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_regular_file_is_refused_and_never_waited_for(make, place, answers):
    code, out, err = answers[f"{make.__name__}/{place}"]
    if place == "data":
        assert code == 0, err
        assert make == Path.mkdir or "not a file" in out
    elif place == "train" and make == Path.mkdir:
        assert code == 0, err  # A folder in a class is walked.
    elif place == "predict an image" and make == Path.mkdir:
        assert (code, "there are no images in x.png" in err) == (2, True), err
    else:
        assert code == 2, err
        assert "unexpected" not in err
        word = {make_pipe: "pipe", make_socket: "socket", make_device: "device"}.get(make)
        assert (word or "") in err
