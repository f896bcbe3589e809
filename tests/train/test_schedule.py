"""The learning rate is a pure function of the step."""

import math

import keras
import numpy as np
import pytest

from reszoo.spec.optimization import Schedule
from reszoo.train.schedule import TabledRate, keras_rate, rates


def schedule(**fields):
    return Schedule.model_validate({"peak": 2.0, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "constant"}, [2.0] * 10),
        # Two steps of warm-up from half the peak, then a line towards 0 at the end of step 10.
        (
            {"kind": "triangular", "warmup": 0.2, "start": 0.5},
            [1.0, 1.5, *[2.0 * (1 - step / 8) for step in range(8)]],
        ),
        ({"kind": "triangular", "final": 0.5}, [2.0 * (1 - 0.05 * step) for step in range(10)]),
        (
            {"kind": "cosine"},
            [1 + math.cos(math.pi * step / 10) for step in range(10)],
        ),
        ({"kind": "step", "drops": [0.5, 0.8]}, [2.0] * 5 + [0.2] * 3 + [0.02] * 2),
        (
            {"kind": "step", "drops": [0.5], "factor": 0.5, "warmup": 0.1},
            [0.0] + [2.0] * 4 + [1.0] * 5,
        ),
    ],
)
def test_each_kind_gives_the_rates_of_its_formula(fields, expected):
    np.testing.assert_allclose(rates(schedule(**fields), 10), expected, rtol=1e-6)


def test_the_graph_sees_the_same_table_and_keeps_its_last_rate():
    fields = schedule(kind="cosine", warmup=0.3)
    rate = keras_rate(fields, 7)
    table = rates(fields, 7)
    assert [float(rate(step)) for step in range(7)] == table.tolist()
    assert float(rate(100)) == table[-1]


def test_a_schedule_survives_being_saved():
    rate = keras_rate(schedule(kind="triangular", warmup=0.5), 4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert isinstance(again, TabledRate)
    np.testing.assert_array_equal(again.table, rate.table)


def test_a_plain_constant_stays_changeable():
    assert keras_rate(schedule(kind="constant"), 10) == 2.0
    assert isinstance(keras_rate(schedule(kind="constant", warmup=0.1), 10), TabledRate)


def test_more_epochs_stretch_the_shape():
    fields = schedule(kind="triangular", warmup=0.25)
    np.testing.assert_allclose(rates(fields, 400)[::10], rates(fields, 40), rtol=1e-6)
