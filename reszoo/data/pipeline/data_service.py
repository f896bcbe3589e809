"""Batches that other machines decode: tf.data service, in the order they would have here.

Every batch is a pure function of its step, so it does not matter which of the service's workers
makes it: each element says its step, and they are put in order where they arrive. A batch that is
lost with its worker is made here. What is sent out is a graph of TensorFlow's own operations
(reading, decoding, crops, resizing, flips of crops): a stock worker of the same TensorFlow runs it,
without reszoo, where it finds the data's files under the same paths. Everything else that training
does to an image (NumPy and Pillow) happens where the batch arrives.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from reszoo.data.pipeline.preprocessing import Preprocessing
from reszoo.data.source import Element
from reszoo.data.tfdata_options import without_autotuning
from reszoo.errors import MachineError, UserError

Batch = tuple[Any, ...]
"""Images, labels and keys."""

_SCHEME = "grpc://"
_MOST_WAITING = 64  # batches that may be ahead of a missing one before it is given up as lost
_SECONDS_TO_ANSWER = 10.0


def served(work: Preprocessing, address: str) -> tf.data.Dataset:
    """Decoded batches (images, labels, keys) of the work's order.

    Args:
      work: what is to be decoded.
      address: of the service's dispatcher, `grpc://host:port`.

    Raises:
      UserError: the address is none, or the data are in this process's memory.
      MachineError: nothing answers there.
    """
    require_answer(address)
    everywhere = by_step(work, 0, work.order.steps)
    dynamic = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    remote = without_autotuning(
        everywhere.apply(tf.data.experimental.service.distribute(dynamic, address))
    )

    def batches() -> Iterator[Batch]:
        return in_order(iter(remote), work.order.steps, lambda step: made_here(work, step))

    return tf.data.Dataset.from_generator(batches, output_signature=everywhere.element_spec[1:])


def by_step(work: Preprocessing, first: int, end: int) -> tf.data.Dataset:
    """Some steps of an epoch: (step, images, labels, keys)."""
    portable = work.split.source.portable(work.split.indices[work.order.rows])
    if portable is None:
        raise UserError(
            "a data service cannot read these data",
            expected="data in files: folder:PATH or tfds:NAME",
            found="images in this process's memory",
            hint="leave the data service out: such data need no decoding",
        )
    facts, read = portable
    columns = [tf.constant(column) for column in (*facts, work.keys)]
    size = work.order.size

    def decode(element: Element) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return work.image(element), element["label"], element["key"]

    def batch(step: tf.Tensor) -> tf.data.Dataset:
        part = [column[step * size : (step + 1) * size] for column in columns]
        drawn = work.drawn(part[-1])
        examples = tf.data.Dataset.from_tensor_slices((tuple(part[:-1]), drawn))
        read_one = examples.flat_map(
            lambda fact, own: read(*fact).map(lambda element: element | own)
        )
        decoded = read_one.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        return decoded.batch(size).map(lambda *done: (step, *done))

    steps = tf.data.Dataset.range(first, end)
    return steps.interleave(batch, cycle_length=2, num_parallel_calls=2)


def made_here(work: Preprocessing, step: int) -> Batch:
    """One batch, decoded by this process."""
    [(_, *batch)] = without_autotuning(by_step(work, step, step + 1))
    return tuple(batch)


def in_order(arriving: Iterable[Any], steps: int, make: Callable[[int], Batch]) -> Iterator[Batch]:
    """Batches by their step, from 0; what arrives twice is passed over, what is missing is made.

    Args:
      arriving: (step, *batch) in any order.
      steps: how many there should be.
      make: makes the batch of a step.
    """
    waiting: dict[int, Batch] = {}
    wanted = 0
    for step, *batch in arriving:
        if int(step) >= wanted:
            waiting[int(step)] = tuple(batch)
        while wanted in waiting or len(waiting) > _MOST_WAITING:
            yield waiting.pop(wanted) if wanted in waiting else make(wanted)
            wanted += 1
    for step in range(wanted, steps):
        yield waiting.pop(step) if step in waiting else make(step)


def require_answer(address: str) -> None:
    """Says so where no dispatcher listens: TensorFlow itself would wait for one forever."""
    host, _, port = address.removeprefix(_SCHEME).rpartition(":")
    if not address.startswith(_SCHEME) or not host or not port.isdigit():
        raise UserError(
            f"{address} is no address of a data service",
            expected="grpc://host:port of its dispatcher",
            found=address,
        )
    try:
        with contextlib.closing(socket.create_connection((host, int(port)), _SECONDS_TO_ANSWER)):
            return
    except OSError as error:
        raise MachineError(
            f"no data service answers at {address} ({error.strerror or error})",
            hint="start its dispatcher and workers first, or train without --data-service",
        ) from error
