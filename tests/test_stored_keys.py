"""What is stored keeps its spelling: today's files have the keys that version 0.1 wrote.

Programs of users read these files, and later versions of reszoo go on with them. What differs on
purpose stands in `DIFFERENCES`, with its reason.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from safetensors import safe_open

import reszoo
from reszoo.tuning import Outcome

FIXTURES = Path(__file__).parent / "fixtures" / "v0_1"

DOCUMENTS = (
    "bundle/contract.json",
    "bundle/parity.json",
    "finished/architecture.yaml",
    "finished/data.json",
    "finished/metrics.jsonl",
    "finished/recipe.yaml",
    "finished/run.json",
    "finished/timing.jsonl",
    "interrupted/metrics.jsonl",
    "interrupted/run.json",
    "search/search.json",
    "search/search.yaml",
    "search/trials.jsonl",
)
CHECKPOINTS = ("finished/step-", "finished/best", "interrupted/step-")

_OUTPUT = [
    f".outputs.{name}{key}"
    for name in ("class", "logits", "probabilities")
    for key in ("", ".dtype", ".shape")
]
JPEG = (
    "",
    ".inputs",
    *(f".inputs.jpeg{key}" for key in ("", ".dtype", ".shape", ".words")),
    ".outputs",
    *_OUTPUT,
)
VECTORS = (
    "",
    ".tflite",
    *(f".tflite.{key}" for key in ("input", "kernels", "output", "tolerance", "words")),
)
PHOTOGRAPH = (
    *("", ".image", ".source", ".stored_size", ".exif_orientation", ".upright_size", ".input"),
    *(".words", ".expected"),
    *(
        f".expected.{file}{key}"
        for file in ("saved_model", "tflite")
        for key in ("", ".class", ".class_name", ".probabilities", ".tolerance")
    ),
)
DIFFERENCES = {
    ("run.json", "- format_version = 1"): "a run whose checkpoints are safetensors says 2, "
    "so that version 0.1 refuses it instead of beginning anew",
    ("run.json", "+ format_version = 2"): "the same",
    **{
        ("run.json", f"+ {key}"): "one file has what a table of runs says"
        for key in ("network", "data", "recipe", "parameters", "macs", "seconds")
    },
    ("contract.json", "- format_version = 1"): "a contract with hashes says 2",
    ("contract.json", "+ format_version = 2"): "the same",
    ("contract.json", "+ sha256"): "by the hashes of its files a damaged bundle is found",
    ("trials.jsonl", "+ kind"): "references and confirming trainings have rows too",
    ("trials.jsonl", "+ repeat"): "the best candidates are trained with several seeds",
    ("trials.jsonl", "+ val_accuracies"): "curves are drawn from every epoch",
    ("trials.jsonl", "+ reference"): "references have rows too, by their names",
    ("parity.json", "+ comparisons[].mcnemar_p"): "whether chance alone explains a drop",
    ("parity.json", "+ comparisons[].accuracy_drop_interval95"): "how large the drop may be",
    ("parity.json", "+ kernels"): "microcontrollers compute with other kernels than phones",
    ("parity.json", "+ costs"): "the layers that cost most where int8 fails",
    ("parity.json", "+ float_layers"): "int8 files may keep layers in float",
    ("search.json", "+ constraints"): "the same search has the same orders and constraints",
    ("search.json", "+ recipe_epochs"): "winners are trained for all epochs of the recipe",
    ("search.yaml", "+ constraints"): "searches may compare fields",
    ("search.yaml", "+ references"): "searches may train specs outside the space",
    **{
        ("contract.json", f"+ example.photograph{key}"): "a second example, which is resized"
        for key in PHOTOGRAPH
    },
    **{
        ("contract.json", f"+ example.vectors{key}"): "raw tensors, for clients without a decoder"
        for key in VECTORS
    },
    **{
        ("contract.json", f"+ files.saved_model.signatures.classify_jpeg{key}"): "JPEGs as they are"
        for key in JPEG
    },
    **{
        ("contract.json", f"+ files.tflite.{key}"): "what the file is, and who opens it"
        for key in ("precision", "metadata", "mediapipe", "mediapipe.opens", "mediapipe.why")
    },
    **{
        ("contract.json", f"+ files.tflite.calibration{key}"): "which images set the ranges"
        for key in ("", ".images", ".seed", ".sha256", ".source")
    },
    **{
        ("contract.json", f"+ target.{key}"): "targets ask for more"
        for key in ("limits", "memory_plan", "metadata")
    },
}
"""By file name: a key or format that went (`-`) or came (`+`), and why."""

KEYED_BY_CONTENT = {("contract.json", "files.tflite.operators"), ("contract.json", "sha256")}
"""Objects whose keys are no fields: the names of the converter's operators, and paths of files."""

Spellings = set[str]


@pytest.fixture(scope="module")
def today(tmp_path_factory) -> Path:
    """A folder like `fixtures/v0_1`, written by this version."""
    folder = tmp_path_factory.mktemp("today")
    options = {"data": "digits", "epochs": 2, "seed": 7, "quiet": True, "command": ["reszoo"]}
    reszoo.train("resnet8_digits", out=folder / "finished", **options)
    with pytest.raises(reszoo.TrainingStopped):
        out = folder / "interrupted"
        reszoo.train("resnet8_digits", out=out, callbacks=[Interrupt()], **options)
    reszoo.export(FIXTURES / "finished", target="mobile-int8", out=folder / "bundle")
    for name in ("search.yaml", "base.yaml", "recipe.yaml"):
        shutil.copy(FIXTURES / "search" / name, folder)
    reszoo.tune(
        folder / "search.yaml",
        "digits",
        out=folder / "search",
        runner=lambda job: Outcome(0.5),
    )
    return folder


class Interrupt(keras.callbacks.Callback):
    """Sends Ctrl-C in the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 60:
            os.kill(os.getpid(), signal.SIGINT)


def spellings(name: str, text: str) -> Spellings:
    """Every key in a document, nested ones joined by dots, and what its formats say.

    The elements of a list are taken together. Lines of a log that say their `kind` stay apart,
    except for the trials of a search, which are all alike.
    """
    if name.endswith(".jsonl"):
        lines = [json.loads(line) for line in text.splitlines()]
        kinds = [line.get("kind") if name != "trials.jsonl" else None for line in lines]
        pairs = [
            (f"{kind}: " if kind else "", line) for kind, line in zip(kinds, lines, strict=True)
        ]
    else:
        pairs = [("", yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text))]
    return {spelling for prefix, value in pairs for spelling in _spellings(name, prefix, "", value)}


def _spellings(name: str, prefix: str, path: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for element in value:
            yield from _spellings(name, prefix, f"{path}[]", element)
    elif isinstance(value, dict) and (name, path) not in KEYED_BY_CONTENT:
        for key, inner in value.items():
            inner_path = f"{path}.{key}" if path else str(key)
            is_format = key in ("format", "format_version")
            yield f"{prefix}{inner_path}" + (f" = {inner}" if is_format else "")
            yield from _spellings(name, prefix, inner_path, inner)


def differences(name: str, before: Spellings, now: Spellings) -> set[tuple[str, str]]:
    """What went and what came, as `DIFFERENCES` names it."""
    went = {(name, f"- {spelling}") for spelling in before - now}
    return went | {(name, f"+ {spelling}") for spelling in now - before}


def read_document(folder: Path, document: str) -> Spellings:
    text = (folder / document).read_text(encoding="utf-8")
    return spellings(document.rpartition("/")[2], text)


def read_checkpoint(folder: Path, checkpoint: str) -> tuple[Spellings, dict[str, tuple[Any, ...]]]:
    """The names of a checkpoint's facts, and dtype and shape of its arrays by name."""
    run, _, beginning = checkpoint.partition("/")
    path = max((folder / run / "checkpoints").glob(f"{beginning}*"))
    if path.suffix == ".state":  # of version 0.1: a line of JSON, then an .npz
        line, _, payload = path.read_bytes().partition(b"\n")
        facts = json.loads(line)["facts"]
        with np.load(io.BytesIO(payload)) as stored:
            arrays = {name: stored[name] for name in stored.files}
    else:
        with safe_open(path, "numpy") as stored:
            facts = json.loads(stored.metadata()["facts"])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    kinds = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    return set(_spellings("", "", "", facts)), kinds


def network_spellings(path: Path) -> tuple[Spellings, Spellings]:
    """The members of a `.keras` file, and the keys of those that are reszoo's own."""
    with zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
        own = {member for member in members if member.startswith("reszoo/")}
        return members, {
            f"{member}: {spelling}"
            for member in own
            for spelling in spellings(member, archive.read(member).decode())
        }


def all_differences(today: Path) -> set[tuple[str, str]]:
    return {
        difference
        for document in DOCUMENTS
        for difference in differences(
            document.rpartition("/")[2],
            read_document(FIXTURES, document),
            read_document(today, document),
        )
    }


def test_documents_keep_their_keys_and_formats(today):
    assert all_differences(today) - set(DIFFERENCES) == set()


def test_every_difference_in_the_table_is_there(today):
    assert set(DIFFERENCES) - all_differences(today) == set()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_checkpoints_keep_the_names_of_their_facts_and_arrays(today, checkpoint):
    facts, arrays = read_checkpoint(FIXTURES, checkpoint)
    assert facts
    assert arrays
    assert read_checkpoint(today, checkpoint) == (facts, arrays)


def test_networks_keep_their_members(today):
    network = "finished/model.keras"
    assert network_spellings(today / network) == network_spellings(FIXTURES / network)


EVALUATION = {
    *("format = reszoo evaluation", "format_version = 1", "data", "split", "examples"),
    *("accuracy", "interval95", "top5", "loss", "classes", "confusion"),
    *("views", "views.count", "views.flip", "views.crops", "views.shift", "views.average"),
    "calibration",
    *(f"calibration[].{key}" for key in ("low", "high", "examples", "confidence", "accuracy")),
    "mistakes",
    *(f"mistakes[].{key}" for key in ("index", "true", "predicted", "confidence", "png")),
}
"""Of evaluation.json, which version 0.1 did not write."""


def test_evaluations_keep_their_keys(today):
    assert read_document(today, "finished/evaluation.json") == EVALUATION


def test_keys_are_found_at_any_depth():
    text = '{"format_version": 3, "a": {"b": [{"c": null}, {"d": {}}]}, "e": []}'
    assert spellings("x.json", text) == {
        *("format_version = 3", "a", "a.b", "a.b[].c", "a.b[].d", "e")
    }
    log = '{"kind": "epoch", "loss": 1}\n{"kind": "end"}\n'
    assert spellings("x.jsonl", log) == {"epoch: kind", "epoch: loss", "end: kind"}
    operators = '{"files": {"tflite": {"operators": {"ADD": 1}}}}'
    assert "files.tflite.operators.ADD" not in spellings("contract.json", operators)


def test_a_renamed_key_would_be_found(today):
    document = today / "finished" / "run.json"
    before = spellings("run.json", document.read_text(encoding="utf-8"))
    renamed = document.read_text(encoding="utf-8").replace('"test_views"', '"views"')
    assert differences("run.json", before, spellings("run.json", renamed)) >= {
        ("run.json", "- test_views"),
        ("run.json", "- test_views.crops"),
        ("run.json", "+ views"),
    }
