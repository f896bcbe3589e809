"""States are whole or passed over; the newest whole one counts."""

import keras
import numpy as np
import pytest

from reszoo.errors import MachineError, UserError
from reszoo.training.checkpoint.checkpoints import (
    Checkpoint,
    Checkpoints,
    DamagedCheckpoint,
    read_state,
    read_variables,
    write_state,
    write_variables,
)


def state(number):
    return Checkpoint({"number": number}, {"a": np.full((3, 2), number, np.float32)})


def test_a_state_comes_back_as_it_was(tmp_path):
    write_state(tmp_path / "one.state", state(5))
    again = read_state(tmp_path / "one.state")
    assert again.facts == {"number": 5}
    np.testing.assert_array_equal(again.arrays["a"], np.full((3, 2), 5, np.float32))


def test_only_the_last_two_states_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for steps in (5, 10, 15, 20):
        checkpoints.save_last(state(steps), steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000015.state",
        "step-000000020.state",
    ]
    assert checkpoints.last().facts["number"] == 20


def test_as_many_states_are_kept_as_asked_for(tmp_path):
    checkpoints = Checkpoints(tmp_path, 1)
    for steps in (5, 10, 15):
        checkpoints.save_last(state(steps), steps)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000015.state"]


def test_a_state_that_was_passed_over_goes_once_a_newer_one_stands(tmp_path):
    """It would otherwise count among those that are kept."""
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.save_last(state(10), 10)
    spoiled(checkpoints.save_last(state(20), 20), "cut")
    checkpoints.save_last(state(15), 15)
    assert sorted(int(path.name[5:14]) for path in tmp_path.iterdir()) == [10, 15]


def spoiled(path, how):
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:-10],
            "empty": b"",
            "flipped": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
            "foreign": b"something else entirely\n",
        }[how]
    )


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "foreign"])
def test_a_damaged_state_is_passed_over_for_the_one_before(tmp_path, how):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_last(state(1), 1)
    spoiled(checkpoints.save_last(state(2), 2), how)
    found = checkpoints.last()
    assert found.facts["number"] == 1
    assert "step-000000002.state" in found.facts["damaged"][0]


def test_when_all_states_are_damaged_the_user_is_told(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    spoiled(checkpoints.save_last(state(1), 1), "cut")
    with pytest.raises(UserError, match="no state in"):
        checkpoints.last()


def test_no_state_yet_is_no_error(tmp_path):
    assert Checkpoints(tmp_path).last() is None
    with pytest.raises(UserError, match=r"best\.state cannot be read"):
        Checkpoints(tmp_path).best()


def test_a_full_disk_leaves_the_state_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_last(state(1), 1)

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reszoo.atomic_files._flush", full)
    with pytest.raises(MachineError, match="No space left"):
        checkpoints.save_last(state(2), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.state"]


def test_a_state_holds_the_seeds_of_dropout():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5, seed=3)])
    ones = np.ones((1, 8), np.float32)
    before = read_variables(model=model)
    first = model(ones, training=True).numpy()
    second = model(ones, training=True).numpy()
    write_variables(before, model=model)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(model(ones, training=True).numpy(), first)


def test_a_state_of_another_network_is_refused_and_changes_nothing():
    small, large = (
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, name="dense")])
        for units in (3, 4)
    )
    before = large.get_weights()
    with pytest.raises(UserError, match="belongs to another network"):
        write_variables(read_variables(model=small), model=large)
    for one, two in zip(before, large.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_damaged_header_is_damage_and_no_crash(tmp_path):
    (tmp_path / "odd.state").write_bytes(b"\xff\xfe\x00\n123")
    with pytest.raises(DamagedCheckpoint, match="not a state file"):
        read_state(tmp_path / "odd.state")
