"""A memory plan never overlaps, is never below the bound, and is the same every time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reszoo.errors import UserError
from reszoo.tflite.flatbuffer_writer import put_metadata
from reszoo.tflite.lifetimes import FeatureMap, feature_maps, live_bytes
from reszoo.tflite.memory_plan import (
    NAME,
    TRIES,
    pack_plan,
    plan_memory,
    planned_bytes,
    put_memory_plan,
    stored_plan,
)
from reszoo.tflite.model_file import read_model
from tests.tflite.handmade import Tensor, answers, graph_of, model_of, residual_blocks, write_tflite

MOMENTS = 12
LIVES = st.lists(
    st.tuples(st.integers(1, 200), st.integers(0, MOMENTS), st.integers(0, MOMENTS)).map(
        lambda life: (life[0], min(life[1:]), max(life[1:]))
    ),
    min_size=1,
    max_size=24,
)

# Feature maps of two zoo networks in int8, as the converter writes them: (index, bytes, first and
# last moment), number of operators, and the bytes that TFLite-Micro reported for its own planner.
RESNET8 = (
    [
        *((0, 3072, 0, 1), (23, 3072, 1, 2), (24, 3072, 2, 3), (25, 16384, 3, 6)),
        *((26, 16384, 4, 5), (27, 16384, 5, 6), (28, 16384, 6, 10), (29, 18496, 7, 8)),
        *((30, 8192, 8, 9), (31, 8192, 9, 12), (32, 4096, 10, 11), (33, 8192, 11, 12)),
        *((34, 8192, 12, 16), (35, 10368, 13, 14), (36, 4096, 14, 15), (37, 4096, 15, 18)),
        *((38, 2048, 16, 17), (39, 4096, 17, 18), (40, 4096, 18, 19), (41, 64, 19, 20)),
        *((42, 16, 20, 21), (43, 16, 21, 21)),
    ],
    21,
    51_264,
)
RESNET20 = (
    [
        *((0, 3072, 0, 1), (47, 3072, 1, 2), (48, 3072, 2, 3), (49, 16384, 3, 6)),
        *((50, 16384, 4, 5), (51, 16384, 5, 6), (52, 16384, 6, 9), (53, 16384, 7, 8)),
        *((54, 16384, 8, 9), (55, 16384, 9, 12), (56, 16384, 10, 11), (57, 16384, 11, 12)),
        *((58, 16384, 12, 16), (59, 18496, 13, 14), (60, 8192, 14, 15), (61, 8192, 15, 18)),
        *((62, 4096, 16, 17), (63, 8192, 17, 18), (64, 8192, 18, 21), (65, 8192, 19, 20)),
        *((66, 8192, 20, 21), (67, 8192, 21, 24), (68, 8192, 22, 23), (69, 8192, 23, 24)),
        *((70, 8192, 24, 28), (71, 10368, 25, 26), (72, 4096, 26, 27), (73, 4096, 27, 30)),
        *((74, 2048, 28, 29), (75, 4096, 29, 30), (76, 4096, 30, 33), (77, 4096, 31, 32)),
        *((78, 4096, 32, 33), (79, 4096, 33, 36), (80, 4096, 34, 35), (81, 4096, 35, 36)),
        *((82, 4096, 36, 37), (83, 64, 37, 38), (84, 16, 38, 39), (85, 16, 39, 39)),
    ],
    39,
    67_648,
)


@given(LIVES)
def test_what_lives_at_once_never_overlaps_and_the_bound_holds(lives):
    model = graph_of(lives, MOMENTS)
    maps = feature_maps(model.main)
    plan = plan_memory(model)
    ends = {}
    for each in maps:
        start = plan.offsets[each.index]
        assert start >= 0
        assert start % 16 == 0
        ends[each.index] = (start, start + each.bytes)
    for one, other in combinations(maps, 2):
        if any(
            one.first <= moment <= one.last and other.first <= moment <= other.last
            for moment in range(MOMENTS + 1)
        ):
            (start, end), (other_start, other_end) = ends[one.index], ends[other.index]
            assert end <= other_start or other_end <= start
    fullest = max(
        sum(-(-size // 16) * 16 for size, first, last in lives if first <= moment <= last)
        for moment in range(MOMENTS + 1)
    )
    assert plan.lower_bound == fullest
    assert plan.lower_bound <= plan.bytes == max(end for _, end in ends.values())
    assert plan.bytes <= plan.greedy_bytes
    assert plan.tries == TRIES or plan.bytes == plan.lower_bound or plan.tries < TRIES


@given(LIVES)
def test_a_plan_is_the_same_every_time_and_is_read_back(lives):
    model = graph_of(lives, MOMENTS)
    plan = plan_memory(model)
    assert plan == plan_memory(model)
    packed = memoryview(pack_plan(plan.offsets, len(lives)))
    model.metadata[NAME] = packed
    assert stored_plan(model) == plan.offsets
    assert planned_bytes(model) == plan.bytes


@pytest.mark.parametrize("maps, operators, reported", [RESNET8, RESNET20], ids=["8", "20"])
def test_the_planner_of_tflite_micro_is_matched_to_the_byte_and_beaten(maps, operators, reported):
    model = model_of([FeatureMap(*each) for each in maps], operators)
    plan = plan_memory(model)
    assert plan.greedy_bytes == reported
    # The fullest moment is the first block's addition: three maps of 32 x 32 x 16.
    assert plan.bytes == plan.lower_bound == 3 * 32 * 32 * 16
    assert plan.tries < TRIES


def test_live_bytes_follow_the_network():
    # image -> a -> b, a + b -> c: a waits for the addition.
    model = graph_of([(16, 0, 1), (32, 1, 3), (32, 2, 3), (64, 3, 3)], 3)
    assert live_bytes(feature_maps(model.main), 3) == (16, 48, 64, 128)


def test_sizes_are_rounded_up_and_constants_and_variables_take_no_place():
    tensors = [Tensor((5,)), Tensor((5,), data=bytes(5)), Tensor((17,))]
    model = read_model(write_tflite(tensors, [("ADD", (0, 1), (2,))], (0,), (2,)))
    maps = feature_maps(model.main)
    assert [(each.index, each.bytes) for each in maps] == [(0, 16), (2, 32)]


def test_a_shape_that_is_not_fixed_has_no_plan():
    tensors = [Tensor((1, 4), signature=(-1, 4)), Tensor((1, 4))]
    model = read_model(write_tflite(tensors, [("RELU", (0,), (1,))], (0,), (1,)))
    assert plan_memory(model) is None
    assert planned_bytes(model) is None


def test_a_plan_is_written_where_it_saves_and_left_out_where_it_does_not(digits_file):
    model = read_model(digits_file)
    assert put_memory_plan(model, plan_memory(model)) == digits_file
    content = residual_blocks(3)
    model = read_model(content)
    planned = put_memory_plan(model, plan_memory(model))
    assert planned == put_memory_plan(model, plan_memory(model))
    assert planned_bytes(read_model(content)) == 4 * 1024
    assert planned_bytes(read_model(planned)) == 3 * 1024
    images = np.random.default_rng(2).normal(size=(2, 1, 8, 8, 4)).astype(np.float32)
    assert np.array_equal(answers(planned, images), answers(content, images))


def test_a_plan_in_a_file_changes_no_answer(digits_file):
    model = read_model(digits_file)
    plan = pack_plan(plan_memory(model).offsets, len(model.main.tensors))
    planned = put_metadata(digits_file, {NAME: plan})
    assert stored_plan(read_model(planned)) == plan_memory(model).offsets
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8, 1), np.uint8)
    assert np.array_equal(answers(planned, images), answers(digits_file, images))


@pytest.mark.parametrize(
    "change, found",
    [
        (lambda plan: plan[:-4], "a memory plan of 180 bytes"),
        (lambda plan: b"\2" + plan[1:], "version 2"),
        (lambda plan: plan[:8] + b"\xff" + plan[9:], "255 tensors"),
        (lambda plan: plan[:12] + b"\1" + plan[13:], "the offset 1"),
        (lambda plan: plan[:12] + b"\xf0\xff\xff\xff" + plan[16:], "the offset -16"),
        (lambda plan: plan[:12] + bytes(len(plan) - 12), "overlap"),
        (lambda plan: b"", "a memory plan of 0 bytes"),
    ],
)
def test_a_plan_that_lies_is_one_error(digits_file, change, found):
    model = read_model(digits_file)
    plan = pack_plan(plan_memory(model).offsets, len(model.main.tensors))
    lying = read_model(put_metadata(digits_file, {NAME: change(plan)}), "x.tflite")
    with pytest.raises(UserError, match=found) as error:
        planned_bytes(lying)
    assert "x.tflite is damaged" in str(error.value)
