"""tf.data service: other machines decode batches, which arrive in the usual order.

A batch is a pure function of its step, so any worker of the service may make it: each element
carries its step, and they are reordered where they arrive. A batch that is lost with its worker is
made locally. Workers run a graph of TensorFlow's own operations (reading, decoding, crops,
resizing, flips of crops), so they need the same TensorFlow and the data under the same paths, but
not reszoo. Other augmentation (NumPy and Pillow) is done where the batch arrives.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from reszoo.data.pipeline.preprocessing import Preprocessing
from reszoo.data.tfdata_options import unconverted, without_autotuning
from reszoo.errors import MachineError, UserError

Batch = tuple[Any, ...]
"""Images, labels and keys of decoded examples."""

_SCHEME = "grpc://"
_MAX_AHEAD = 64  # batches that arrive before a missing one counts as lost
_TIMEOUT_SECONDS = 10.0


def remote_batches(preprocessing: Preprocessing, address: str) -> tf.data.Dataset:
    """Returns the decoded batches (images, labels, keys) of an epoch, made by a data service.

    Raises:
      UserError: the address is malformed, or the data are in this process's memory.
      MachineError: nothing answers at the address.
    """
    require_reachable(address)
    steps = preprocessing.sampler.steps
    dataset = numbered_batches(preprocessing, 0, steps)
    dynamic = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    distribute = tf.data.experimental.service.distribute(dynamic, address)
    remote = without_autotuning(dataset.apply(distribute))

    def batches() -> Iterator[Batch]:
        return reorder(iter(remote), steps, lambda step: local_batch(preprocessing, step))

    return tf.data.Dataset.from_generator(batches, output_signature=dataset.element_spec[1:])


def numbered_batches(preprocessing: Preprocessing, first: int, end: int) -> tf.data.Dataset:
    """Returns the decoded batches of some steps of an epoch: (step, images, labels, keys)."""
    split, sampler = preprocessing.split, preprocessing.sampler
    reader = split.source.remote_reader(split.indices[sampler.rows])
    if reader is None:
        raise UserError(
            "a data service cannot read these data",
            expected="data in files: folder:PATH, csv:FILE or tfds:NAME",
            found="images in this process's memory",
            hint="leave out --data-service: such data need no decoding",
        )
    positions, read = reader
    columns = [tf.constant(column) for column in (*positions, preprocessing.keys)]

    @unconverted
    def decode_batch(step: tf.Tensor) -> tf.data.Dataset:
        rows = slice(step * sampler.size, (step + 1) * sampler.size)
        *positions, keys = (column[rows] for column in columns)
        parameters = preprocessing.draw_parameters(keys)
        examples = tf.data.Dataset.from_tensor_slices((tuple(positions), parameters))
        elements = examples.flat_map(
            lambda position, own: read(*position).map(lambda element: element | own)
        )
        decoded = elements.map(preprocessing.decode, num_parallel_calls=tf.data.AUTOTUNE)
        return decoded.batch(sampler.size).map(lambda *batch: (step, *batch))

    steps = tf.data.Dataset.range(first, end)
    return steps.interleave(decode_batch, cycle_length=2, num_parallel_calls=2)


def local_batch(preprocessing: Preprocessing, step: int) -> Batch:
    """Returns one batch, decoded by this process."""
    [(_, *batch)] = without_autotuning(numbered_batches(preprocessing, step, step + 1))
    return tuple(batch)


def reorder(arriving: Iterable[Any], steps: int, make: Callable[[int], Batch]) -> Iterator[Batch]:
    """Yields batches by step from (step, *batch) in any order; duplicates go, gaps are made."""
    waiting: dict[int, Batch] = {}
    next_step = 0
    for step, *batch in arriving:
        if int(step) >= next_step:
            waiting[int(step)] = tuple(batch)
        while next_step in waiting or len(waiting) > _MAX_AHEAD:
            yield waiting.pop(next_step) if next_step in waiting else make(next_step)
            next_step += 1
    for step in range(next_step, steps):
        yield waiting.pop(step) if step in waiting else make(step)


def require_reachable(address: str) -> None:
    """Raises an error if no dispatcher answers: TensorFlow itself would wait forever."""
    host, _, port = address.removeprefix(_SCHEME).rpartition(":")
    if not address.startswith(_SCHEME) or not host or not port.isdigit():
        raise UserError(
            f"{address} is not the address of a data service",
            expected="grpc://host:port of its dispatcher",
            found=address,
            hint="write it with scheme and port, such as grpc://localhost:5050",
        )
    try:
        with contextlib.closing(socket.create_connection((host, int(port)), _TIMEOUT_SECONDS)):
            return
    except OSError as error:
        raise MachineError(
            f"no data service answers at {address} ({error.strerror or error})",
            hint="start its dispatcher and workers first, or train without --data-service",
        ) from error
