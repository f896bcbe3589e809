"""Exported files, and folders of data, that are damaged or something else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from reszoo.data.open_data import open_data
from reszoo.inference.predict import predict
from tests.hostile.pictures import RED, empty_png
from tests.hostile.rows import (
    FIXTURES,
    NESTED,
    Row,
    command,
    content,
    edit,
    flipped,
    folder_instead,
    head,
    zipped,
)
from tests.hostile.specs import spec


def bundle(
    name: str = "", change: Callable[[Path], object] = lambda path: None
) -> Callable[[Path], object]:
    """Returns a maker of a bundle of version 0.1, given hashes, with one of its files changed."""

    def make(path: Path) -> None:
        shutil.copytree(FIXTURES / "bundle", path)
        document = json.loads((path / "contract.json").read_text())
        hashes = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in path.iterdir()
            if file.is_file()
        }
        document |= {"format_version": 2, "sha256": hashes}
        (path / "contract.json").write_text(json.dumps(document))
        if name:
            change(path / name)

    return make


def contract(**fields: Any) -> Callable[[Path], object]:
    return bundle("contract.json", edit(**fields))


def best_class(path: Path) -> object:
    return predict(path, FIXTURES / "bundle" / "golden.png")[0].classes[0]


TFLITE = (FIXTURES / "bundle" / "model.tflite").read_bytes()
NOT_TFLITE = "error: .* is damaged, or is not a .tflite file"
HASH = "error: .* is damaged, or is not the file"
CONTRACT = "error: .*contract.json is damaged"
DAMAGED = "error: prepared data are damaged"
PREPROCESSING = json.loads((FIXTURES / "bundle" / "contract.json").read_text())["preprocessing"]


def preprocessing(fields: dict[str, Any]) -> Callable[[Path], object]:
    """Returns a maker of a bundle whose contract describes other images."""
    return contract(preprocessing=PREPROCESSING | fields)


def replaced_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def beside_labels(labels: bytes) -> Callable[[Path], object]:
    """Returns a maker of a .tflite without a contract, beside these labels."""

    def make(path: Path) -> None:
        path.write_bytes(TFLITE)
        (path.parent / "labels.txt").write_bytes(labels)

    return make


def classes_of(path: Path) -> object:
    data = open_data(f"folder:{path}")
    return f"{len(data.split('all'))} images of {data.classes}"


def two_classes(odd: Callable[[Path], object], name: str = "odd.png") -> Callable[[Path], object]:
    """Returns a maker of a data folder whose class `a` has one odd file."""

    def make(path: Path) -> None:
        for folder in ("a", "b"):
            (path / folder).mkdir(parents=True)
            for number in range(8):
                pixels = np.random.default_rng([number, ord(folder)]).integers(
                    0, 256, (9, 9), np.uint8
                )
                Image.fromarray(pixels).save(path / folder / f"{number}.png")
        odd(path / "a" / name)

    return make


def damaged_cache(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Returns a maker of a data folder whose prepared copy is damaged."""

    def make(path: Path) -> None:
        two_classes(lambda odd: None)(path)
        classes_of(path)
        folder = next((Path(os.environ["RESZOO_DATA"]) / "folders").glob(f"{path.name}-*"))
        file = next(folder.rglob("*train.tfrecord*"))
        file.write_bytes(change(file.read_bytes()))

    return make


def all_pixels(path: Path) -> object:
    data = open_data(f"folder:{path}")
    element = data.source.load(np.arange(len(data.split("all"))))
    return f"{len(element['label'])} read"


OTHERS = [
    ("tflite: whole", "bundle", bundle(), best_class, "."),
    ("tflite: alone", "x.tflite", content(TFLITE), best_class, "."),
    ("tflite: empty", "x.tflite", content(b""), best_class, NOT_TFLITE),
    (
        "tflite: random",
        "x.tflite",
        content(np.random.default_rng(0).bytes(9_999)),
        best_class,
        NOT_TFLITE,
    ),
    ("tflite: text", "x.tflite", content("TFL3 but no model"), best_class, NOT_TFLITE),
    ("tflite: zip", "x.tflite", zipped(("a", b"a")), best_class, NOT_TFLITE),
    *(
        (f"tflite: cut at {share}", "x.tflite", content(head(TFLITE, share)), best_class, "error: ")
        for share in (0.001, 0.1, 0.5, 0.9, 0.999)
    ),
    (
        "tflite: offset beyond the end",
        "x.tflite",
        content(b"\xff\xff\xff\x7f" + TFLITE[4:]),
        best_class,
        NOT_TFLITE,
    ),
    (
        "tflite: flipped in a bundle",
        "bundle",
        bundle("model.tflite", content(flipped(TFLITE, 0.6))),
        best_class,
        HASH,
    ),
    (
        "tflite: cut in a bundle",
        "bundle",
        bundle("model.tflite", content(TFLITE[:-9])),
        best_class,
        HASH,
    ),
    ("tflite: a folder", "x.tflite", Path.mkdir, best_class, "error: "),
    ("tflite: a pipe", "x.tflite", os.mkfifo, best_class, "error: .* a named pipe"),
    ("contract: empty", "bundle", bundle("contract.json", content("")), best_class, CONTRACT),
    ("contract: nested deep", "bundle", bundle("contract.json", NESTED), best_class, CONTRACT),
    ("contract: a list", "bundle", bundle("contract.json", content("[1]")), best_class, CONTRACT),
    (
        "contract: not UTF-8",
        "bundle",
        bundle("contract.json", content(b"\xff{}")),
        best_class,
        CONTRACT,
    ),
    ("contract: without hashes", "bundle", contract(sha256=None), best_class, CONTRACT),
    (
        "contract: hashes of text",
        "bundle",
        contract(sha256={"model.tflite": "x"}),
        best_class,
        HASH,
    ),
    ("contract: hashes of none", "bundle", contract(sha256={}), best_class, HASH),
    ("contract: hashes that are a list", "bundle", contract(sha256=[1]), best_class, CONTRACT),
    ("contract: version as text", "bundle", contract(format_version="2"), best_class, CONTRACT),
    ("contract: of a later version", "bundle", contract(format_version=99), best_class, "error: "),
    ("contract: of another program", "bundle", contract(format="x"), best_class, "error: "),
    (
        "contract: preprocessing missing",
        "bundle",
        contract(preprocessing=None),
        best_class,
        CONTRACT,
    ),
    ("contract: crop of 0", "bundle", preprocessing({"crop": 0}), best_class, CONTRACT),
    ("contract: crop of text", "bundle", preprocessing({"crop": "x"}), best_class, CONTRACT),
    ("contract: crop of 1e-9", "bundle", preprocessing({"crop": 1e-9}), best_class, "error: "),
    (
        "contract: unknown interpolation",
        "bundle",
        preprocessing({"interpolation": "x"}),
        best_class,
        CONTRACT,
    ),
    (
        "contract: antialias of text",
        "bundle",
        preprocessing({"antialias": "no"}),
        best_class,
        CONTRACT,
    ),
    (
        "contract: range of 16 bits as text",
        "bundle",
        preprocessing({"sixteen_bit": "xy"}),
        best_class,
        CONTRACT,
    ),
    (
        "contract: range of no width",
        "bundle",
        preprocessing({"sixteen_bit": [3, 3]}),
        best_class,
        CONTRACT,
    ),
    ("labels: another", "bundle", bundle("labels.txt", content("a\nb\n")), best_class, HASH),
    ("labels: a folder", "bundle", bundle("labels.txt", folder_instead), best_class, "."),
    ("labels: a pipe", "bundle", bundle("labels.txt", replaced_by_pipe), best_class, "."),
    (
        "labels: not UTF-8",
        "x.tflite",
        beside_labels(b"\xff\n" * 10),
        best_class,
        "error: .* is not UTF-8",
    ),
    (
        "labels: two of ten",
        "x.tflite",
        beside_labels(b"a\nb\n"),
        best_class,
        "error: .* does not fit",
    ),
    ("bundle: no files", "bundle", lambda path: path.mkdir(), best_class, "error: "),
    (
        "bundle: a SavedModel alone",
        "bundle",
        bundle("model.tflite", Path.unlink),
        best_class,
        "error: .* already exported",
    ),
    ("data: whole", "photos", two_classes(lambda path: None), classes_of, "16 images"),
    ("data: zip", "x.zip", zipped(("a/x.png", RED)), classes_of, "error: "),
    ("data: tar", "x.tar", lambda path: tarfile.open(path, "w").close(), classes_of, "error: "),
    ("data: a picture", "x.png", content(RED), classes_of, "error: "),
    ("data: a pipe", "photos", os.mkfifo, classes_of, "error: "),
    (
        "data: a link to itself",
        "photos",
        lambda path: path.symlink_to("photos"),
        classes_of,
        "error: ",
    ),
    ("data: empty", "photos", Path.mkdir, classes_of, "error: "),
    (
        "data: a web page among the pictures",
        "photos",
        two_classes(content("<html>")),
        classes_of,
        "error: 1 of 17 images cannot be read.*a web page",
    ),
    (
        "data: a pipe among the pictures",
        "photos",
        two_classes(os.mkfifo),
        classes_of,
        "error: 1 of 17 images cannot be read.*a named pipe",
    ),
    (
        "data: a link upwards",
        "photos",
        two_classes(lambda path: path.symlink_to(".."), "up"),
        classes_of,
        "16 images",
    ),
    (
        "data: a large picture",
        "photos",
        two_classes(content(partial(empty_png, 11_500, 11_500))),
        classes_of,
        "17 images",
    ),
    (
        "data: a name that is not UTF-8",
        "photos",
        two_classes(content(RED), os.fsdecode(b"\xff.png")),
        classes_of,
        "17 images",
    ),
    (
        "data: prepared copy cut",
        "photos_cut",
        damaged_cache(lambda data: data[:-40]),
        all_pixels,
        DAMAGED,
    ),
    (
        "data: prepared copy flipped",
        "photos_flipped",
        damaged_cache(lambda data: flipped(data, 0.5)),
        all_pixels,
        DAMAGED,
    ),
    (
        "data: prepared copy empty",
        "photos_empty",
        damaged_cache(lambda data: b""),
        all_pixels,
        DAMAGED,
    ),
    (
        "predict: a large picture",
        "x.png",
        content(partial(empty_png, 4_000, 4_000)),
        lambda path: predict(FIXTURES / "bundle", path),
        "classes",
    ),
    (
        "build: width 1e6",
        "net.yaml",
        content(spec(stages="[{depth: 1, width: 1000000}]")),
        command("build", "FILE"),
        "error: ",
    ),
]

ROWS = [
    Row(name, file, make, read, expected, 1 if "prepared copy" in name else 2)
    for name, file, make, read, expected in OTHERS
]
