"""TFLite-Micro loads the files for microcontrollers, in the arena that the contract states."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reszoo.tflite.flatbuffer_writer import put_metadata
from reszoo.tflite.memory_plan import NAME, pack_plan, plan_memory
from reszoo.tflite.micro_runtime import measured_arena
from reszoo.tflite.model_file import read_model

from .clients import run_client
from .test_client_micro import array_of

pytestmark = pytest.mark.edge
tflite_micro = pytest.importorskip(
    "tflite_micro", reason="needs tflite-micro: pip install reszoo[edge]"
)
CONNECTIONS = ("residual", "highway")
LENT_BYTES = 1 << 20
ALIGNMENT = 16


def answers(content: bytes, inputs: np.ndarray) -> np.ndarray:
    """The output tensors of TFLite-Micro for input tensors (images, height, width, channels)."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=LENT_BYTES)
    outputs = []
    for tensor in inputs:
        interpreter.set_input(tensor[None], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0)[0].copy())
    return np.array(outputs)


def with_plan(content: bytes, shift: int = 0) -> bytes:
    """The file with its memory plan, also one that saves nothing, `shift` bytes up in the arena."""
    model = read_model(content)
    offsets = {index: offset + shift for index, offset in plan_memory(model).offsets.items()}
    return put_metadata(content, {NAME: pack_plan(offsets, len(model.main.tensors))})


def without_plan(content: bytes) -> bytes:
    """The same file, whose plan has a name that no runtime looks for."""
    return content.replace(NAME.encode(), b"Renamed" + NAME.encode()[7:])


def as_int8(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.int16) - 128).astype(np.int8)


def read(bundle: Path) -> tuple[dict, bytes]:
    return json.loads((bundle / "contract.json").read_text()), (
        bundle / "model.tflite"
    ).read_bytes()


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_the_arena_is_the_contract_s(bundle_of: Callable[..., Path], connection: str) -> None:
    contract, content = read(bundle_of("microcontroller", connection))
    arena = contract["files"]["tflite"]["arena"]
    assert arena["source"] == "measured"
    # Up to the alignment of both ends. It is enough, and less is not.
    close = pytest.approx(arena["bytes"], abs=ALIGNMENT)
    assert measured_arena(content, LENT_BYTES) == close
    assert measured_arena(content, arena["bytes"] + ALIGNMENT) == close
    assert measured_arena(content, arena["bytes"] - 1024) is None


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_the_golden_vector_is_reproduced(bundle_of: Callable[..., Path], connection: str) -> None:
    bundle = bundle_of("microcontroller", connection)
    contract, content = read(bundle)
    vectors = contract["example"]["vectors"]["tflite"]
    given, expected = (np.load(bundle / vectors[side]) for side in ("input", "output"))
    found = answers(content, given)
    difference = np.abs(found.astype(int) - expected.astype(int)).max()
    assert difference <= vectors["tolerance"]
    assert found.argmax() == expected.argmax()


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_a_memory_plan_changes_no_answer(
    bundle_of: Callable[..., Path], test_images: np.ndarray, connection: str
) -> None:
    content = read(bundle_of("microcontroller", connection))[1]
    inputs = as_int8(test_images[:50])
    np.testing.assert_array_equal(
        answers(with_plan(content), inputs), answers(without_plan(content), inputs)
    )


def test_it_reads_the_memory_plan(bundle_of: Callable[..., Path]) -> None:
    content = read(bundle_of("microcontroller"))[1]
    arenas = [measured_arena(with_plan(content, shift), LENT_BYTES) for shift in (0, 4096)]
    assert arenas[1] - arenas[0] == 4096


def test_the_array_of_the_micro_client_runs(bundle_of: Callable[..., Path], tmp_path: Path) -> None:
    bundle = bundle_of("microcontroller")
    done = run_client("micro/generate.py", bundle, tmp_path)
    assert done.returncode == 0, done.stderr
    content = array_of((tmp_path / "model_data.cc").read_text(), "kModel")
    golden = (tmp_path / "golden.h").read_text()
    given = np.frombuffer(array_of(golden, "golden_input"), np.int8)
    expected = np.frombuffer(array_of(golden, "golden_output"), np.int8)
    contract, _ = read(bundle)
    (shape,) = (side["shape"] for side in contract["files"]["tflite"]["inputs"])
    found = answers(content, given.reshape(shape))[0]
    limit = contract["example"]["vectors"]["tflite"]["tolerance"]
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= limit
