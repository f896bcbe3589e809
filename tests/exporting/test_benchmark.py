"""Benchmarks of Keras models and SavedModels, and of processes that end before their time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reszoo.errors import MachineError, UserError
from reszoo.exporting import Bundle
from reszoo.exporting.benchmark import benchmark
from reszoo.exporting.benchmark_process import BenchmarkProcess
from reszoo.inference.trained import TrainedModel
from reszoo.model.saving import save_model
from tests.tflite.handmade import Tensor, write_tflite


@pytest.mark.slow
def test_a_keras_model_and_its_savedmodel_take_turns(
    nets: dict[str, TrainedModel], bundle_of: Callable[[str, str], Bundle], tmp_path: Path
) -> None:
    net = nets["residual"]
    file = tmp_path / "net.keras"
    save_model(net.model, file, spec=net.spec, classes=net.classes)
    bundle = bundle_of("residual", "server")
    result = benchmark(bundle.path, versus=file, images=3)
    kinds = [(timing.network, timing.batch, timing.calls) for timing in result.timings]
    assert kinds == [(str(bundle.path), 1, 3), (str(file), 1, 3), (str(bundle.path), 32, 3)]
    assert [timing.warm_up_calls for timing in result.timings] == [10, 10, 2]
    assert result.timings[0].runtime.startswith("tensorflow ")
    assert result.timings[1].runtime.startswith("keras ")
    [pair] = result.pairs
    assert (pair.batch, len(pair.processor)) == (1, 3)


def test_an_onnx_file_is_timed(onnx_bundle_of: Callable[[str], Bundle]) -> None:
    single, batch = benchmark(onnx_bundle_of("residual").path, images=3).timings
    assert (single.batch, batch.batch) == (1, 32)
    assert single.runtime.startswith("onnx")


def test_a_process_that_is_killed_is_the_machines_fault(
    bundle_of: Callable[[str, str], Bundle],
) -> None:
    file = bundle_of("residual", "mobile-int8").tflite
    assert file is not None
    with BenchmarkProcess("tflite", file, 1, 1) as process:
        process.take_turn(2)
        process._process._process.kill()
        with pytest.raises(MachineError, match="ended unexpectedly") as caught:
            process.take_turn(2)
    assert "exit code -9" in str(caught.value.found)


def test_more_threads_than_any_processor_has_are_refused(tmp_path):
    with pytest.raises(UserError, match="100,000 threads are too many"):
        benchmark(tmp_path / "x.tflite", threads=(1, 100_000))


def test_networks_with_inputs_of_another_batch_or_rank_are_not_compared(tmp_path: Path) -> None:
    def file(*shape: int) -> Path:
        path = tmp_path / f"{'x'.join(map(str, shape))}.tflite"
        tensors = [Tensor(shape), Tensor(shape)]
        path.write_bytes(write_tflite(tensors, [("RELU", (0,), (1,))], (0,), (1,)))
        return path

    one = file(1, 8, 8, 1)
    for other in (file(4, 8, 8, 1), file(1, 64)):
        with pytest.raises(UserError, match="inputs of the two networks differ") as refused:
            benchmark(one, versus=other, images=3)
        assert f"{one} takes (1, 8, 8, 1)" in refused.value.found
    assert benchmark(one, versus=file(1, 4, 4, 1), images=3).pairs
