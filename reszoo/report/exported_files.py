"""What the bundles of a run say about themselves: size, parity with Keras, latency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reszoo.errors import ReszooError, UserError
from reszoo.json_text import parse_json
from reszoo.tflite.contract_file import CONTRACT, read_contract

_CARD = "CARD.md"
_LATENCY = re.compile(r"^\| latency \| ([\d.e+-]+) ms on (.*?) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle: a SavedModel, a `.tflite` or an ONNX file."""

    kind: str
    path: str
    bytes: int
    arithmetic: str
    accuracy: float | None
    keras_accuracy: float | None
    images: int | None
    agreement: float | None
    """Share of images with the class of Keras."""
    difference: float | None
    """Largest difference of a probability."""
    arena_bytes: int | None
    latency_ms: float | None
    """As measured by the export, on one thread of the machine that exported."""
    latency_on: str | None


@dataclass(frozen=True, slots=True)
class ExportedBundle:
    """A bundle on disk; `problem` says why it cannot be read."""

    path: Path
    target: str
    gate: str
    files: tuple[BundleFile, ...] = ()
    problem: str | None = None


def bundles_of(run: Path) -> list[ExportedBundle]:
    """Returns the bundles in the export folder of a run, by name."""
    return [read_bundle(path.parent) for path in sorted((run / "export").glob(f"*/{CONTRACT}"))]


def read_bundle(path: Path) -> ExportedBundle:
    """Returns a bundle; one that cannot be read has a problem and no files."""
    try:
        return _readable(path)
    except ReszooError as error:
        return ExportedBundle(path, path.name, "-", problem=error.what)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return ExportedBundle(path, path.name, "-", problem=f"{type(error).__name__}: {error}")


def card_text(path: Path) -> str:
    """Returns the card of a bundle.

    Raises:
      UserError: the bundle has none.
    """
    card = path / _CARD
    if not card.is_file():
        raise UserError(
            f"the bundle {path} has no {_CARD}",
            hint="export the network again; version 0.1 wrote no cards",
        )
    return card.read_text("utf-8", errors="replace")


def _readable(path: Path) -> ExportedBundle:
    contract = read_contract(path / CONTRACT)
    parity = path / "parity.json"
    compared = parse_json(parity.read_bytes())["comparisons"] if parity.is_file() else []
    by_file = {entry["file"]: entry for entry in compared}
    card = path / _CARD
    match = _LATENCY.search(card.read_text("utf-8", errors="replace")) if card.is_file() else None
    files = []
    for kind, entry in contract["files"].items():
        same = by_file.get(kind, {})
        timed = match if kind == "tflite" else None
        files.append(
            BundleFile(
                kind=kind,
                path=str(entry["path"]),
                bytes=int(entry["bytes"]),
                arithmetic=str(same.get("arithmetic") or entry.get("arithmetic") or "-"),
                accuracy=same.get("accuracy"),
                keras_accuracy=same.get("keras_accuracy"),
                images=same.get("images"),
                agreement=same.get("agreement"),
                difference=same.get("max_probability_difference"),
                arena_bytes=(entry.get("arena") or {}).get("bytes"),
                latency_ms=float(timed[1]) if timed else None,
                latency_on=timed[2] if timed else None,
            )
        )
    target = contract.get("target") or {}
    return ExportedBundle(path, str(target.get("name")), str(contract["gate"]), tuple(files))
