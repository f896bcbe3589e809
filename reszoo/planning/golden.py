"""The golden cost file: what every spec of the zoo costs, counted once, kept and checked by a test.

It is keyed by the fingerprint of what a spec computes, so that `reszoo list` need not plan the zoo
and a changed spec can never show an old number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from reszoo import atomic_files, resources
from reszoo.planning.cost import Cost, cost
from reszoo.spec import architecture_names, fingerprint, load
from reszoo.spec.architecture import Architecture

_FORMAT = 1


def golden_file() -> Path:
    """Where the golden cost file lies."""
    return resources.zoo_folder() / "golden.json"


def known_cost(spec: Architecture) -> Cost:
    """The spec's cost: from the golden file where it knows this very network, else counted now."""
    key = fingerprint(spec)
    return _known().get(key) or cost(spec)


def count_zoo() -> dict[str, Any]:
    """The golden file's content, counted from every spec in the zoo."""
    specs = {}
    for name in architecture_names():
        spec = load(name)
        specs[name] = {"fingerprint": fingerprint(spec), **asdict(cost(spec))}
    return {"format": _FORMAT, "specs": specs}


def write_golden_file() -> Path:
    """Counts the zoo and writes the golden file; run it by `python -m reszoo.planning.golden`."""
    atomic_files.write_json(golden_file(), count_zoo())
    return golden_file()


@cache
def _known() -> Mapping[str, Cost]:
    try:
        content = json.loads(golden_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if content.get("format") != _FORMAT:
        return {}
    costs = {}
    for entry in content["specs"].values():
        numbers = {name: value for name, value in entry.items() if name != "fingerprint"}
        costs[entry["fingerprint"]] = Cost(**numbers)
    return costs


if __name__ == "__main__":
    write_golden_file()
