"""The sampler: the examples of each batch of an epoch, and of one worker's part of it.

The order is a pure function of the arguments, so any batch is computed without those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reszoo.data.seeded_random import example_keys


@dataclass(frozen=True, slots=True)
class Sampler:
    """The examples of an epoch, batch after batch."""

    rows: np.ndarray
    """Indices in the split, int64."""
    repeats: np.ndarray
    """Number of the example's repeat in its batch, int64."""
    weights: np.ndarray
    """1, or 0 for padding, float32."""
    size: int
    """Examples in a batch; the last batch may have fewer."""
    own: slice
    """The worker's own part of a batch, without examples that are only partners in mixing."""

    @property
    def steps(self) -> int:
        """Number of batches."""
        return -(-len(self.rows) // self.size)

    def batch(self, step: int) -> slice:
        """Returns the positions of a batch's examples."""
        return slice(step * self.size, (step + 1) * self.size)

    def keys(self, indices: np.ndarray) -> np.ndarray:
        """Returns the keys of the examples; `indices` are the split's, in its source."""
        return example_keys(indices[self.rows], self.repeats)


def epoch_sampler(
    count: int,
    batch_size: int,
    *,
    seed: int | None,
    epoch: int,
    start: int = 0,
    repeats: int = 1,
    drop_remainder: bool = False,
    pad: bool = False,
    share: tuple[int, int] = (0, 1),
    in_pairs: bool = False,
) -> Sampler:
    """Returns the sampler of one epoch of a split of `count` examples.

    Each example is `repeats` times in its batch. With `in_pairs` neighbours are mixed, so a worker
    needs both. The other options are those of `reszoo.data.pipeline.batches.batches`.

    Raises:
      ValueError: the batches cannot be divided among the workers.
    """
    if share[1] > 1 and not (drop_remainder or pad):
        raise ValueError("workers share full batches: drop the remainder or pad it")
    if batch_size % share[1]:
        raise ValueError(f"a batch of {batch_size} does not divide over {share[1]} workers")
    total = count // batch_size * batch_size if drop_remainder else count
    positions, repeat = _repeat(total, batch_size, repeats)
    rows = _permute(count, seed, epoch)[positions]
    rows, repeat = rows[start * batch_size :], repeat[start * batch_size :]
    weights = np.ones(len(rows), np.float32)
    if pad:
        # With the last example: whatever it is, its weight is 0.
        missing = -len(rows) % batch_size
        rows, repeat = (np.pad(values, (0, missing), mode="edge") for values in (rows, repeat))
        weights = np.pad(weights, (0, missing))
    part, own = _worker_part(batch_size, share, in_pairs)
    if share[1] > 1:
        rows, repeat, weights = (
            values.reshape(-1, batch_size)[:, part].ravel() for values in (rows, repeat, weights)
        )
    return Sampler(rows, repeat, weights, part.stop - part.start, own)


def _permute(count: int, seed: int | None, epoch: int) -> np.ndarray:
    order = np.arange(count)
    if seed is None:
        return order
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, epoch]).permutation(order)


def _repeat(total: int, batch_size: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the index in the permutation, and the number of the repeat, of each example.

    A batch goes through its examples once, then again, so that neighbours, which are mixed, are
    different examples. An epoch keeps its number of batches, so it sees a part of the permutation.
    """
    position = np.arange(total)
    step, within = position // batch_size, position % batch_size
    full = -(-batch_size // repeats)
    last = -(-(total % batch_size) // repeats)
    distinct = np.where(step < total // batch_size, full, max(last, 1))
    return step * full + within % distinct, within // distinct


def _worker_part(batch_size: int, share: tuple[int, int], in_pairs: bool) -> tuple[slice, slice]:
    """Returns the part of a global batch a worker needs, and its own part of that."""
    worker, workers = share
    size = batch_size // workers
    first, end = worker * size, (worker + 1) * size
    if not in_pairs:
        return slice(first, end), slice(0, size)
    # In parts of odd size the first or last image is mixed with another worker's.
    wide_first, wide_end = first - first % 2, min(end + end % 2, batch_size)
    return slice(wide_first, wide_end), slice(first - wide_first, end - wide_first)
