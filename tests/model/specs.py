"""Small specs for tests."""

from __future__ import annotations

from typing import Any

from reszoo.spec import Architecture, from_mapping


def small(connection: str = "residual", **changed: Any) -> Architecture:
    """Two stages of one block each on 8x8 colour images."""
    mapping = {
        "name": f"small_{connection}",
        "input": {"shape": [8, 8, 3], "mean": [120.0, 110.0, 100.0], "std": 60.0},
        "stem": {"filters": 4},
        "block": {"connection": connection, "shortcut": "zero_pad"},
        "stages": [{"depth": 1, "width": 4}, {"depth": 1, "width": 8, "stride": 2}],
        "classes": 5,
        **changed,
    }
    return from_mapping(mapping)


def with_own_layers() -> Architecture:
    """A net that needs layers of reszoo: blurred strides and a learned scale."""
    block = {"connection": "scaled", "antialias": "blur"}
    return small("scaled", block=block)
