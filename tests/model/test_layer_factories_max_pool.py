"""A max-pool of values of any sign ignores its padding, in stock layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from reszoo.model.build import build
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref
from reszoo.spec import from_mapping
from tests.model import numpy_layers


def pooled(height: int, width: int, **pool: Any) -> Plan:
    """A stem without norm and activation, and its pool; the head is cut off."""
    stem = {"filters": 2, "norm": "none", "activation": "none", "pool": {"kind": "max", **pool}}
    mapping = {
        "name": "pooled",
        "input": {"shape": [height, width, 1], "std": 1.0},
        "stem": stem,
        "block": {"order": "full_pre"},
        "stages": [{"depth": 1, "width": 2}],
        "classes": 2,
    }
    return plan(from_mapping(mapping), head=False)


SIZES: list[Any] = [*range(1, 7), (1, 3), (5, 2)]


@pytest.mark.quick_rows(4)
@pytest.mark.parametrize("padding", ["torch", "same", "valid"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_windows_are_the_papers_and_ignore_what_lies_outside(size: Any, padding: str) -> None:
    random = np.random.default_rng(size)
    for stride in (*range(1, 5), (1, 2)) if isinstance(size, int) else ((1, 2), (3, 2)):
        for height, width in ((6, 7), (9, 8), (11, 10), (13, 13)):
            rows = pooled(height, width, size=size, stride=stride, padding=padding)
            pool = [row for row in rows.rows if row.name.startswith("stem_pool")]
            stem = rows.rows[: rows.rows.index(pool[-1]) + 1]
            model = build(replace(rows, rows=stem, outputs=(Ref(pool[-1].name),)), seed=1)
            cut = keras.Model(model.get_layer("stem_conv").output, model.output)
            assert all(type(layer).__module__.startswith("keras.") for layer in cut.layers)
            # all negative, so that one zero of a border would be the largest
            x = random.uniform(-3, -1, (2, height, width, 2)).astype(np.float32)
            expected = numpy_layers.max_pool(x, size, stride, padding)
            np.testing.assert_array_equal(cut(x), expected, err_msg=f"{stride} {height} {width}")
            assert pool[-1].shape == expected.shape[1:]


@pytest.mark.parametrize(
    ("side", "size", "ops"),
    [
        (112, 3, ["pad", "max_pool", "crop"]),
        (113, 3, ["max_pool"]),
        (112, 5, ["max_pool", "subsample"]),
        (113, 5, ["max_pool"]),
        (113, 2, ["max_pool"]),
        (112, (2, 3), ["pad", "max_pool", "crop"]),
    ],
)
def test_a_pool_costs_more_only_where_zeros_would_be_seen(side, size, ops) -> None:
    rows = [row for row in pooled(side, side, size=size).rows if row.name.startswith("stem_pool")]
    assert [row.op for row in rows] == ops
    assert rows[-1].name == "stem_pool"
    strides = [row.attributes.get("stride") for row in rows if row.op == "max_pool"]
    assert strides == [1 if "subsample" in ops else 2]
