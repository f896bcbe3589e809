"""Checkpoints are whole or skipped; the newest whole one counts."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors

from reszoo.errors import MachineError, UserError
from reszoo.training.checkpoint.checkpoint_file import (
    Checkpoint,
    DamagedCheckpoint,
    read_checkpoint,
    write_checkpoint,
)
from reszoo.training.checkpoint.checkpoints import Checkpoints
from reszoo.training.checkpoint.variables import read_variables, write_variables


def checkpoint(number):
    return Checkpoint({"number": number}, {"a": np.full((3, 2), number, np.float32)})


def test_a_state_comes_back_as_it_was(tmp_path):
    write_checkpoint(tmp_path / "one.safetensors", checkpoint(5))
    again = read_checkpoint(tmp_path / "one.safetensors")
    assert again.facts == {"number": 5}
    np.testing.assert_array_equal(again.arrays["a"], np.full((3, 2), 5, np.float32))


def test_only_the_last_two_states_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for steps in (5, 10, 15, 20):
        checkpoints.save_last(checkpoint(steps), steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000015.safetensors",
        "step-000000020.safetensors",
    ]
    assert checkpoints.last().facts["number"] == 20


def test_as_many_states_are_kept_as_asked_for(tmp_path):
    checkpoints = Checkpoints(tmp_path, 1)
    for steps in (5, 10, 15):
        checkpoints.save_last(checkpoint(steps), steps)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000015.safetensors"]


def test_a_state_that_was_passed_over_goes_once_a_newer_one_stands(tmp_path):
    """It would otherwise count among those that are kept."""
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.save_last(checkpoint(10), 10)
    spoiled(checkpoints.save_last(checkpoint(20), 20), "cut")
    checkpoints.save_last(checkpoint(15), 15)
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
    checkpoints.save_last(checkpoint(1), 1)
    spoiled(checkpoints.save_last(checkpoint(2), 2), how)
    found = checkpoints.last()
    assert found.facts["number"] == 1
    assert "step-000000002.safetensors" in found.facts["damaged"][0]


def test_when_all_states_are_damaged_the_user_is_told(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    spoiled(checkpoints.save_last(checkpoint(1), 1), "cut")
    with pytest.raises(UserError, match="no checkpoint in"):
        checkpoints.last()


def test_no_state_yet_is_no_error(tmp_path):
    assert Checkpoints(tmp_path).last() is None
    with pytest.raises(UserError, match=r"best\.safetensors cannot be read"):
        Checkpoints(tmp_path).best()


def test_a_full_disk_leaves_the_state_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_last(checkpoint(1), 1)

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reszoo.atomic_files._flush", full)
    with pytest.raises(MachineError, match="No space left"):
        checkpoints.save_last(checkpoint(2), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.safetensors"]


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
    (tmp_path / "odd.safetensors").write_bytes(b"\xff\xfe\x00\n123")
    with pytest.raises(DamagedCheckpoint, match="not a checkpoint file"):
        read_checkpoint(tmp_path / "odd.safetensors")


def test_arrays_of_every_order_and_shape_come_back(tmp_path):
    square = np.arange(6.0).reshape(2, 3)
    arrays = {
        "fortran": np.asfortranarray(square),
        "strided": np.arange(10)[::3],
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "seed": np.array([1, 2], np.uint32),
    }
    path = tmp_path / "one.safetensors"
    write_checkpoint(path, Checkpoint({"best": None}, arrays))
    again = read_checkpoint(path).arrays
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        assert (again[name].dtype, again[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_other_programs_read_the_file(tmp_path):
    path = tmp_path / "one.safetensors"
    write_checkpoint(path, checkpoint(5))
    with safetensors.safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["facts"]) == {"number": 5}
        np.testing.assert_array_equal(file.get_tensor("a"), checkpoint(5).arrays["a"])


def test_equal_checkpoints_have_equal_bytes(tmp_path):
    """safetensors alone writes its metadata in a random order, ten of which are never the same."""
    arrays = {name: np.arange(3, dtype=np.float32) for name in "bca"}
    for number in range(10):
        facts = {"step": 1, "note": "größer \n"}
        write_checkpoint(tmp_path / f"{number}.safetensors", Checkpoint(facts, arrays))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    again = read_checkpoint(tmp_path / "0.safetensors")
    assert again.facts == facts
    assert sorted(again.arrays) == ["a", "b", "c"]


def test_an_edited_score_is_refused(tmp_path):
    """The checksum covers the facts too: nobody makes a run better than it was by hand."""
    path = tmp_path / "best.safetensors"
    write_checkpoint(path, Checkpoint({"val_accuracy": 0.123}, checkpoint(1).arrays))
    path.write_bytes(path.read_bytes().replace(b"0.123", b"0.999"))
    with pytest.raises(UserError, match="cannot be read") as error:
        Checkpoints(tmp_path).best()
    assert "its checksum differs" in error.value.found


def test_any_flipped_byte_is_damage(tmp_path):
    path = tmp_path / "one.safetensors"
    write_checkpoint(path, Checkpoint({"number": 1, "text": '"sha256":"'}, checkpoint(1).arrays))
    content = path.read_bytes()
    assert read_checkpoint(path).facts["number"] == 1
    for position in range(len(content)):
        spoilt = bytearray(content)
        spoilt[position] ^= 1
        path.write_bytes(spoilt)
        with pytest.raises(DamagedCheckpoint):
            read_checkpoint(path)


def test_checkpoints_of_version_0_1_are_read_and_replaced(tmp_path):
    old = Path(__file__).parent.parent / "fixtures/v0_1/interrupted/checkpoints"
    folder = tmp_path / "checkpoints"
    shutil.copytree(old, folder)
    checkpoints = Checkpoints(folder)
    last = checkpoints.last()
    assert (last.facts["epoch"], last.facts["step"], last.facts["steps"]) == (2, 21, 97)
    assert checkpoints.best().facts["epoch"] == 2
    checkpoints.save_best(checkpoint(98))
    checkpoints.save_last(checkpoint(98), 98)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.safetensors",
        "step-000000097.state",
        "step-000000098.safetensors",
    ]
    assert checkpoints.best().facts == checkpoints.last().facts == {"number": 98}
