"""What an object knows goes into arrays and comes back as it was."""

import json
import math

import keras
import numpy as np
import pytest

from reszoo.training.checkpoint.object_state import (
    NotSerializable,
    deserialize,
    from_arrays,
    serialize,
    serialize_attributes,
    to_arrays,
)

PLAIN = [
    None,
    True,
    3,
    0.1 + 0.2,
    math.inf,
    "text",
    [1, [2.5, None]],
    (1, "a"),
    {1, 2},
    {"a": [1], 2: {"b": (3,)}, (1, 2): None},
    np.float32(0.1),
    np.int64(7),
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    np.zeros((0, 4)),
    np.array(["a", "bcd"]),
    np.arange(3, dtype=">f4"),
    np.complex128(1 + 2j),
    np.array(["2015-12-10", "NaT"], "datetime64[D]"),
    np.array([(1, 2.5)], dtype=[("epoch", "i4"), ("loss", "f8")]),
    {"history": [np.ones(2), {"deep": np.zeros((2, 1), np.float16)}]},
]


def same(one, two):
    assert type(one) is type(two)
    if isinstance(one, np.ndarray):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    elif isinstance(one, dict):
        assert list(one) == list(two)
        for key in one:
            same(one[key], two[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(two)
        for ours, theirs in zip(one, two, strict=True):
            same(ours, theirs)
    else:
        assert one == two


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_were(value):
    written = from_arrays(to_arrays({"value": serialize(value)}))["value"]
    same(deserialize(written), value)
    assert written.equals(serialize(value))


def test_not_a_number_comes_back():
    assert math.isnan(deserialize(from_arrays(to_arrays({"x": serialize(math.nan)}))["x"]))


def test_keras_own_comparisons_come_back():
    assert deserialize(serialize(keras.ops.less)) is keras.ops.less


@pytest.mark.parametrize("value", [print, object(), lambda: 0, open, [json], np.array([object()])])
def test_other_things_are_not_plain(value):
    with pytest.raises(NotSerializable):
        serialize(value)


def test_what_was_written_does_not_change_with_its_source():
    source = {"list": [1], "array": np.zeros(3)}
    written = serialize(source)
    source["list"].append(2)
    source["array"][:] = 5
    same(deserialize(written), {"list": [1], "array": np.zeros(3)})
    assert not written.equals(serialize(source))


def test_only_plain_attributes_are_found():
    class Owner:
        def __init__(self):
            self.count, self.file, self.best = 3, print, np.ones(2)

    assert set(serialize_attributes(Owner())) == {"count", "best"}
