"""The arena of a microcontroller, estimated, and measured by TFLite-Micro where it is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.tflite import arena
from reszoo.tflite.arena import Arena, arena_of, estimated_own_bytes
from reszoo.tflite.flatbuffer_writer import put_metadata
from reszoo.tflite.memory_plan import NAME, pack_plan
from reszoo.tflite.micro_operators import MICRO_OPERATORS
from reszoo.tflite.micro_runtime import measured_arena
from reszoo.tflite.model_file import read_model
from tests.tflite.handmade import Tensor, write_tflite

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="needs the package tflite-micro"
)


def test_the_estimate_counts_tensors_operators_and_channels(digits_file):
    # 120 channels of seven convolutions and 10 of the dense layer.
    channels = 8 * 3 + 16 * 2 + 32 * 2 + 10
    assert estimated_own_bytes(read_model(digits_file).main) == (
        900 + 24 * 43 + 160 * 21 + 8 * channels
    )


def test_without_the_wheel_the_arena_is_estimated(digits_file, monkeypatch):
    monkeypatch.setattr(arena, "measured_arena", lambda *_: None)
    found = arena_of(read_model(digits_file))
    # Of 43 tensors 22 are feature maps: planning them takes more than the 1,536 bytes they need.
    while_planning = 32 * 43 + 56 * 22 - 1536
    assert found == Arena(1536, 6332 + while_planning, "estimated")
    assert found.bytes == 8940


def test_a_plan_in_the_file_decides_over_the_planner(digits_file, monkeypatch):
    monkeypatch.setattr(arena, "measured_arena", lambda *_: None)
    wide = pack_plan({0: 16 * 1000}, 43)
    found = arena_of(read_model(put_metadata(digits_file, {NAME: wide})))
    assert found.feature_map_bytes == 16 * 1000 + 64


def test_a_measurement_takes_the_place_of_the_estimate(digits_file, monkeypatch):
    monkeypatch.setattr(arena, "measured_arena", lambda content, lent: lent - (1 << 20))
    assert arena_of(read_model(digits_file)) == Arena(1536, 2 * 6332 + 1072, "measured")


def test_a_file_of_dynamic_shape_has_no_arena():
    tensors = [Tensor((1, 4), signature=(-1, 4)), Tensor((1, 4))]
    assert arena_of(read_model(write_tflite(tensors, [("RELU", (0,), (1,))], (0,), (1,)))) is None


@needs_wheel
def test_the_wheel_measures_the_planner_and_the_estimate_is_close_above(digits_file):
    found = arena_of(read_model(digits_file))
    assert found.source == "measured"
    assert found.feature_map_bytes == 1536
    kept = measured_arena(digits_file, 1 << 20) - 1536
    estimated = estimated_own_bytes(read_model(digits_file).main)
    assert kept <= estimated <= 1.15 * kept


@needs_wheel
def test_tflite_micro_starts_in_the_arena_and_not_in_much_less(digits_file):
    found = arena_of(read_model(digits_file)).bytes
    assert measured_arena(digits_file, found) is not None
    assert measured_arena(digits_file, found - 64) is None


@needs_wheel
def test_the_wheel_follows_a_plan(digits_file):
    wide = put_metadata(digits_file, {NAME: pack_plan({0: 16 * 1000}, 43)})
    lent = 1 << 20
    saved = measured_arena(digits_file, lent)
    assert abs(measured_arena(wide, lent) - saved - (16 * 1000 + 64 - 1536)) <= 32


@needs_wheel
def test_a_file_that_the_wheel_refuses_is_estimated():
    tensors = [Tensor((1, 4), "FLOAT32"), Tensor((1, 4), "FLOAT32")]
    content = write_tflite(tensors, [("NOT_AN_OPERATOR", (0,), (1,))], (0,), (1,))
    assert arena_of(read_model(content)).source == "estimated"


PROBE = """
import os, sys
from ai_edge_litert.schema_py_generated import BuiltinOperator
from tflite_micro.python.tflite_micro import runtime
from tests.tflite.handmade import Tensor, write_tflite

tensors = [Tensor((1, 4), "FLOAT32"), Tensor((1, 4), "FLOAT32")]
for name in sorted(name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)):
    content = write_tflite(tensors, [(name, (0,), (1,))], (0,), (1,))
    reader, writer = os.pipe()
    # An operator may abort on tensors that are not its own.
    if (child := os.fork()) == 0:
        os.dup2(writer, 2)
        try:
            runtime.Interpreter.from_bytes(content, arena_size=100_000)
        finally:
            os._exit(0)
    os.close(writer)
    output = b"".join(iter(lambda: os.read(reader, 65536), b""))
    os.waitpid(child, 0)
    if b"Didn't find op" not in output:
        print(name)
"""


@needs_wheel
def test_the_wheel_has_the_operators_of_the_list():
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, cwd=root)
    assert set(done.stdout.split()) - {"CUSTOM"} == MICRO_OPERATORS
