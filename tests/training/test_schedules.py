"""The learning rate is a pure function of the step."""

import math

import keras
import numpy as np
import pytest

from reszoo.spec.optimizer import Schedule
from reszoo.training.optimizers.schedules import (
    ScheduledRate,
    keras_rate,
    learning_rates,
    rate_callbacks,
)


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
        # Half the peak for two steps, then all of it: He 2015 with 110 layers.
        (
            {"kind": "constant", "warmup": 0.2, "start": 0.5, "warmup_shape": "constant"},
            [1.0] * 2 + [2.0] * 8,
        ),
        (
            {"kind": "polynomial", "power": 3, "final": 0.25},
            [0.5 + 1.5 * (1 - step / 10) ** 3 for step in range(10)],
        ),
        ({"kind": "exponential", "final": 0.01}, [2.0 * 0.01 ** (step / 10) for step in range(10)]),
        # Two steps of 0.1 at the end, which a line from 2 reaches after eight.
        (
            {"kind": "triangular", "final": 0.05, "hold": 0.2},
            [2.0 - 1.9 * step / 8 for step in range(8)] + [0.1] * 2,
        ),
        # Five stairs of two steps each.
        ({"kind": "triangular", "stairs": 5}, [2.0 * (1 - step // 2 / 5) for step in range(10)]),
        # The fall begins at once, and the warm-up is a factor on it.
        (
            {"kind": "triangular", "warmup": 0.2, "start": 0.5, "warmup_over": True},
            [2.0 * (1 - step / 10) * min(1, 0.5 + step / 4) for step in range(10)],
        ),
        ({"kind": "plateau"}, [2.0] * 10),
    ],
)
def test_each_kind_gives_the_rates_of_its_formula(fields, expected):
    np.testing.assert_allclose(learning_rates(schedule(**fields), 10), expected, rtol=1e-6)


def test_the_graph_sees_the_same_table_and_keeps_its_last_rate():
    fields = schedule(kind="cosine", warmup=0.3)
    rate = keras_rate(fields, 7)
    table = learning_rates(fields, 7)
    assert [float(rate(step)) for step in range(7)] == table.tolist()
    assert float(rate(100)) == table[-1]


def test_a_schedule_survives_being_saved():
    rate = keras_rate(schedule(kind="triangular", warmup=0.5), 4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert isinstance(again, ScheduledRate)
    steps = np.arange(40)
    np.testing.assert_array_equal(again(steps), rate(steps))


def test_a_plain_constant_stays_changeable():
    assert keras_rate(schedule(kind="constant"), 10) == 2.0
    assert keras_rate(schedule(kind="plateau"), 10) == 2.0
    assert isinstance(keras_rate(schedule(kind="constant", warmup=0.1), 10), ScheduledRate)


def test_a_drop_comes_at_the_very_step_that_its_share_names():
    fields = schedule(kind="step", drops=["30/90", "60/90", "80/90"])
    for steps_per_epoch in (1, 7, 312, 1251, 5004):
        table = learning_rates(fields, 90 * steps_per_epoch)
        found = np.flatnonzero(np.diff(table)) + 1
        assert found.tolist() == [epoch * steps_per_epoch for epoch in (30, 60, 80)]


def test_stairs_are_a_rate_for_each_epoch():
    fields = schedule(kind="exponential", final=0.99**500, stairs=500)
    table = learning_rates(fields, 500 * 13).reshape(500, 13)
    np.testing.assert_allclose(table[:, 0], 2.0 * 0.99 ** np.arange(500), rtol=1e-6)
    assert (table == table[:, :1]).all()


def test_a_plateau_drops_the_rate_when_the_loss_stalls():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(2.0))
    [callback] = rate_callbacks(schedule(kind="plateau", factor=0.1, patience=2, final=0.05))
    callback.set_model(model)
    callback.on_train_begin()
    seen = []
    for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.0, 1.5, 1.6, 1.7, 1.8, 1.9]):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        seen.append(float(model.optimizer.learning_rate))
    # Two epochs without a lower loss, each time; 2 * 0.05 is as low as it goes.
    np.testing.assert_allclose(seen, [2.0] * 3 + [0.2] * 3 + [0.1] * 3)
    assert rate_callbacks(schedule(kind="cosine")) == []


def test_more_epochs_stretch_the_shape():
    fields = schedule(kind="triangular", warmup=0.25)
    np.testing.assert_allclose(
        learning_rates(fields, 400)[::10], learning_rates(fields, 40), rtol=1e-6
    )


def test_the_longest_training_stores_no_table():
    """A rate for each of 10^12 steps would take 4 TB."""
    steps = 10**12
    rate = keras_rate(schedule(kind="cosine", warmup=0.25), steps)
    last = float(rate(steps - 1))
    assert last == float(rate(steps + 7)) == pytest.approx(0.0, abs=1e-9)
    assert float(rate(steps // 4)) == pytest.approx(schedule(kind="cosine").peak, rel=1e-6)
