"""The golden cost file: the cost of every spec of the zoo, checked by a test.

It is keyed by the fingerprint of what a spec computes, so that `reszoo list` need not plan the zoo
and a changed spec never shows an outdated number.
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
from reszoo.spec import fingerprint, load, names_of
from reszoo.spec.architecture import Architecture

_FORMAT = 1


def golden_file() -> Path:
    """Path of the golden cost file."""
    return resources.zoo_folder() / "golden.json"


def known_cost(spec: Architecture) -> Cost:
    """Returns the cost of a spec, from the golden file if it has this network."""
    return _golden_costs().get(fingerprint(spec)) or cost(spec)


def count_zoo() -> dict[str, Any]:
    """Counts every spec of the zoo; returns the content of the golden file."""
    specs = {}
    for name in names_of("architecture"):
        spec = load(name)
        specs[name] = {"fingerprint": fingerprint(spec), **asdict(cost(spec))}
    return {"format": _FORMAT, "specs": specs}


def write_golden_file() -> Path:
    """Writes the golden file; run with `python -m reszoo.planning.golden`."""
    atomic_files.write_json(golden_file(), count_zoo())
    return golden_file()


@cache
def _golden_costs() -> Mapping[str, Cost]:
    try:
        content = json.loads(golden_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if content.get("format") != _FORMAT:
        return {}
    return {entry.pop("fingerprint"): Cost(**entry) for entry in content["specs"].values()}


if __name__ == "__main__":
    write_golden_file()
