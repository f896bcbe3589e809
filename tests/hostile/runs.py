"""Run folders and checkpoints of which a file is damaged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from reszoo.runs import Run
from reszoo.training.checkpoint.checkpoint_file import Checkpoint, write_checkpoint
from reszoo.training.checkpoint.checkpoints import Checkpoints
from tests.hostile.networks import tensors
from tests.hostile.rows import (
    BLUR,
    FIXTURES,
    NEST,
    NESTED,
    Row,
    command,
    content,
    edit,
    flipped,
    folder_instead,
)


def run_with(name: str, change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Returns a maker of a run of version 0.1 with one of its files changed."""

    def make(path: Path) -> None:
        shutil.copytree(FIXTURES / "finished", path)
        if (path / name).exists():
            change(path / name)

    return make


def run_facts(path: Path) -> object:
    run = Run.open(path)
    run.data(), run.timing(), run.architecture(), run.recipe(), run.seed
    return f"{run!r} {len(run.metrics())} epochs"


EVALUATE = command("evaluate", "FILE", "--data", "digits")
RESUME = command("resume", "FILE")
RUNS = [
    ("whole", "run.json", lambda path: None, run_facts, "finished"),
    ("run.json empty", "run.json", content(""), run_facts, "error: .* is damaged"),
    ("run.json cut", "run.json", content('{"format": "res'), run_facts, "error: .* is damaged"),
    ("run.json nested deep", "run.json", NESTED, run_facts, "error: .* is damaged"),
    ("run.json a list", "run.json", content("[]"), run_facts, "error: .* is damaged"),
    ("run.json not UTF-8", "run.json", content(b"\xff\xfe{}"), run_facts, "error: .* is damaged"),
    ("run.json a folder", "run.json", folder_instead, run_facts, "error: .* is not a run folder"),
    ("run.json of a later version", "run.json", edit(format_version=99), run_facts,
     "error: .* does not know"),
    ("run.json of version 'two'", "run.json", edit(format_version="two"), run_facts,
     "error: .* does not know"),
    ("run.json of another program", "run.json", edit(format="x"), run_facts, "error: .* not desc"),
    ("run.json without a state", "run.json", content(
        '{"format": "reszoo run", "format_version": 1}'), RESUME, "error: "),
    ("run.json whose state is a list", "run.json", edit(state=[]), RESUME, "error: "),
    ("run.json whose seed is text", "run.json", edit(seed="x"), RESUME, "finished"),
    ("run.json whose best is text", "run.json", edit(best="x"), RESUME, "finished"),
    ("run.json of a number of 9,999 digits", "run.json", content('{"format": ' + "9" * 9_999 + "}"),
     run_facts, "error: .* is damaged"),
    ("data.json empty", "data.json", content(""), EVALUATE, "error: .* is damaged"),
    ("data.json nested deep", "data.json", NESTED, EVALUATE, "error: .* is damaged"),
    ("data.json a folder", "data.json", folder_instead, EVALUATE, "error: .* is damaged"),
    ("data.json without classes", "data.json", content("{}"), EVALUATE, "error: "),
    ("data.json with other classes", "data.json", edit(classes=3), EVALUATE, "error: "),
    ("architecture.yaml empty", "architecture.yaml", content(""), EVALUATE, "error: .* is empty"),
    ("architecture.yaml a folder", "architecture.yaml", folder_instead, EVALUATE, "error: "),
    ("recipe.yaml damaged", "recipe.yaml", content("epochs: ["), run_facts, "error: "),
    ("metrics.jsonl damaged", "metrics.jsonl", content('{"a": \n{}\n'), run_facts,
     "error: a log is damaged"),
    ("metrics.jsonl nested deep", "metrics.jsonl", content("[" * NEST + "\n"), run_facts,
     "error: a log is damaged"),
    ("metrics.jsonl cut", "metrics.jsonl", content('{"epoch": 1}\n{"epo'), run_facts, "1 epochs"),
    ("metrics.jsonl a folder", "metrics.jsonl", folder_instead, run_facts, "error: "),
    ("metrics.jsonl a pipe", "metrics.jsonl", lambda path: (path.unlink(), os.mkfifo(path)),
     run_facts, "error: "),
    ("timing.jsonl damaged", "timing.jsonl", content(b"\xff{\n"), run_facts, "finished"),
    ("timing.jsonl nested deep", "timing.jsonl", content("[" * NEST + "\n"), run_facts, "finished"),
    ("timing.jsonl a folder", "timing.jsonl", folder_instead, run_facts, "finished"),
    ("timing.jsonl a pipe", "timing.jsonl", lambda path: (path.unlink(), os.mkfifo(path)),
     run_facts, "finished"),
    ("model.keras missing", "model.keras", Path.unlink, EVALUATE, "error: .* no model.keras"),
    ("model.keras a folder", "model.keras", folder_instead, EVALUATE, "error: .* no model.keras"),
    ("model.keras of another net", "model.keras", content(BLUR), EVALUATE, "accuracy"),
]  # fmt: skip


def checkpoint(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Returns a maker of a folder with one checkpoint, changed."""

    def make(path: Path) -> None:
        path.mkdir()
        file = path / "step-000000003.safetensors"
        write_checkpoint(file, Checkpoint({"best": 0.5}, {"a": np.ones(4, np.float32)}))
        file.write_bytes(change(file.read_bytes()))

    return make


def old_checkpoint(payload: bytes, **header: Any) -> Callable[[Path], object]:
    """Returns a maker of a folder with one checkpoint of version 0.1, whose checksum is right."""
    fields = {
        "format": "reszoo state",
        "format_version": 1,
        "facts": {},
        "bytes": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
    } | header
    line = json.dumps(fields).encode()

    def make(path: Path) -> None:
        path.mkdir()
        (path / "step-000000003.state").write_bytes(line + b"\n" + payload)

    return make


def npz(**members: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)
    return buffer.getvalue()


def npy(header: str, body: bytes = b"", size: int | None = None) -> bytes:
    """An .npy file of any header, true or not, packed into an .npz."""
    text = header.encode("latin-1")
    file = b"\x93NUMPY\x02\0" + struct.pack("<I", len(text) if size is None else size) + text + body
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", file)
    return buffer.getvalue()


def last_checkpoint(path: Path) -> object:
    found = Checkpoints(path).last()
    return found and f"{dict(found.facts)} {sorted(found.arrays)}"


NO_CHECKPOINT = "error: no checkpoint in .* can be read"
ARRAY = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }\n"
CHECKPOINTS = [
    ("whole", checkpoint(lambda data: data), r"\{'best': 0.5\} \['a'\]"),
    ("empty", checkpoint(lambda data: b""), NO_CHECKPOINT),
    ("cut", checkpoint(lambda data: data[:-3]), NO_CHECKPOINT),
    ("longer", checkpoint(lambda data: data + b"x"), NO_CHECKPOINT),
    ("flipped", checkpoint(lambda data: flipped(data, 0.99)), NO_CHECKPOINT),
    ("edited score", checkpoint(lambda data: data.replace(b"0.5", b"0.9")), NO_CHECKPOINT),
    ("of a later version", checkpoint(
        lambda data: data.replace(b'version":"2"', b'version":"9"')), NO_CHECKPOINT),
    ("header of 2^63 bytes", checkpoint(lambda data: b"\xff" * 7 + b"\x7f" + data[8:]),
     NO_CHECKPOINT),
    ("header nested deep", checkpoint(lambda data: tensors(b"[" * NEST)), NO_CHECKPOINT),
    ("header a list", checkpoint(lambda data: tensors(b"[1, 2]")), NO_CHECKPOINT),
    ("facts nested deep", checkpoint(lambda data: tensors({"__metadata__": {
        "format": "reszoo checkpoint", "format_version": "2", "facts": "[" * NEST,
        "sha256": "0" * 64}})), NO_CHECKPOINT),
    ("a folder", lambda path: (path / "step-000000003.safetensors").mkdir(parents=True),
     NO_CHECKPOINT),
    ("old, whole", old_checkpoint(npz(a=np.ones(2))), r"\{\} \['a'\]"),
    ("old, pickled", old_checkpoint(npz(a=np.array([{}], object))), NO_CHECKPOINT),
    ("old, no archive", old_checkpoint(b"PK\x03\x04 nothing"), NO_CHECKPOINT),
    ("old, empty", old_checkpoint(b""), NO_CHECKPOINT),
    ("old, shape of 4 TB", old_checkpoint(npy(ARRAY % (1 << 40))), NO_CHECKPOINT),
    ("old, shape that overflows", old_checkpoint(npy(ARRAY % (1 << 62))), NO_CHECKPOINT),
    ("old, negative shape", old_checkpoint(npy(ARRAY % -5, bytes(64))), NO_CHECKPOINT),
    ("old, header of 4 GB", old_checkpoint(npy(ARRAY % 4, size=(1 << 32) - 1)), NO_CHECKPOINT),
    ("old, header of code", old_checkpoint(npy("__import__('os').mkdir('harm')")), NO_CHECKPOINT),
    ("old, header nested deep", old_checkpoint(npy("(" * 5_000)), NO_CHECKPOINT),
    ("old, zip bomb", old_checkpoint(npz(a=np.zeros(64 << 20, np.uint8))), NO_CHECKPOINT),
    ("old, damaged member", old_checkpoint(flipped(npz(a=np.arange(999)), 0.3, 0.4)),
     NO_CHECKPOINT),
    ("old, version as text", old_checkpoint(npz(a=np.ones(2)), format_version="1"), NO_CHECKPOINT),
    ("old, bytes as text", old_checkpoint(npz(a=np.ones(2)), bytes="x"), NO_CHECKPOINT),
]  # fmt: skip

ROWS = [
    *(
        Row(f"run: {name}", "run", run_with(file, change), read, expected)
        for name, file, change, read, expected in RUNS
    ),
    *(
        Row(f"checkpoint: {name}", "checkpoints", make, last_checkpoint, expected)
        for name, make, expected in CHECKPOINTS
    ),
]
