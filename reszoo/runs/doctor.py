"""Diagnosis of this machine: its packages, devices and folders, and what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reszoo.errors import first_line
from reszoo.runs.cluster.devices import choose_precision, choose_strategy
from reszoo.runs.run_dir import DEFAULT_FOLDER
from reszoo.system_info import machine, version_of, versions

Verdict = Literal["fine", "note", "missing"]

NEEDED = {
    "tensorflow": "training, evaluation and export",
    "keras": "building, training, evaluation and export",
    "tensorflow-datasets": "reading data",
    "keras-tuner": "`reszoo tune`",
    "ai-edge-litert": "checking exports and predicting with .tflite files",
}
OPTIONAL = {"tensorboard": "curves in TensorBoard while training"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the machine has or lacks."""

    topic: str
    verdict: Verdict
    text: str


def diagnose(*, devices: bool = True, data_dir: Path | str | None = None) -> list[Finding]:
    """Inspects Python, packages, devices, data folders and disk.

    With `devices`, TensorFlow is imported, which takes a few seconds. `data_dir` is the folder of
    downloaded data sets; it defaults to `$RESZOO_DATA`, then to that of TensorFlow Datasets.
    """
    findings = [*_system(), *_packages(), *_extras()]
    if devices:
        findings += _devices()
    return [*findings, *_folders(data_dir)]


def _system() -> Iterator[Finding]:
    system = machine()
    verdict: Verdict = "fine" if sys.version_info >= (3, 11) else "missing"
    yield Finding("Python", verdict, versions(())["python"])
    yield Finding("reszoo", "fine", versions(())["reszoo"])
    yield Finding("processor", "fine", f"{system['processor']}, {system['cores']} cores")


def _packages() -> Iterator[Finding]:
    for package, purpose in NEEDED.items():
        if version := version_of(package):
            yield Finding(package, "fine", version)
        else:
            yield Finding(package, "missing", f"not installed; needed for {purpose}")


def _extras() -> Iterator[Finding]:
    for package, purpose in OPTIONAL.items():
        if importlib.util.find_spec(package):
            yield Finding(package, "fine", f"{version_of(package) or 'installed'}: {purpose}")
        else:
            yield Finding(package, "note", f"not installed: no {purpose} (pip install {package})")


def _devices() -> Iterator[Finding]:
    try:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    except Exception as error:  # a broken installation is a finding
        yield Finding("devices", "missing", f"TensorFlow does not start: {first_line(error)}")
        return
    for gpu, detail in zip(gpus, details, strict=True):
        yield Finding("GPU", "fine", f"{gpu.name}: {detail.get('device_name', 'unnamed')}")
    if not gpus:
        yield Finding("GPU", "note", "none that TensorFlow can use; training runs on the CPU")
    yield Finding("strategy", "fine", _strategy(len(gpus)))
    # As in a training: a GPU without a compute capability (Apple's) is not trusted with bfloat16.
    precision = choose_precision([gpu.get("compute_capability", (0, 0)) for gpu in details])
    reason = "computed in hardware" if precision == "mixed_bfloat16" else "bfloat16 would be slow"
    yield Finding("precision", "fine", f"a recipe's `auto` is {precision}: {reason}")


def _strategy(gpus: int) -> str:
    if choose_strategy(gpus) == "mirrored":
        return f"training runs mirrored on {gpus} GPUs"
    return f"training runs on one {'GPU' if gpus else 'CPU'}"


def _folders(data_dir: Path | str | None) -> Iterator[Finding]:
    chosen = data_dir or os.environ.get("RESZOO_DATA") or os.environ.get("TFDS_DATA_DIR")
    folder = Path(chosen or "~/tensorflow_datasets").expanduser()
    entries = folder.iterdir() if folder.is_dir() else ()
    sets = sorted(entry.name for entry in entries if entry.is_dir())
    text = f"holds {', '.join(sets)}" if sets else "nothing downloaded yet"
    yield Finding("data sets", "fine" if sets else "note", f"{folder}: {text}")
    yield _writable(DEFAULT_FOLDER)


def _writable(folder: Path) -> Finding:
    parent = folder if folder.is_dir() else Path()
    free_gib = shutil.disk_usage(parent).free / 2**30
    if not os.access(parent, os.W_OK):
        return Finding("run folder", "missing", f"{parent.resolve()} cannot be written; use -o")
    verdict: Verdict = "fine" if free_gib >= 1 else "note"
    return Finding("run folder", verdict, f"{folder.resolve()}: {free_gib:.1f} GiB free")
