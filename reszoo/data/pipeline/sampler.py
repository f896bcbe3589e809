"""Which examples are in which batch of an epoch, and which of them are one worker's.

All of it is a pure function of the arguments, so any batch is reached without those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reszoo.data.seeded_random import example_keys


@dataclass(frozen=True, slots=True)
class Sampler:
    """The batches of an epoch, one after the other."""

    rows: np.ndarray
    """Positions in the split, int64."""
    repeats: np.ndarray
    """Which time of several in its batch this is, int64."""
    weights: np.ndarray
    """0 for what only fills a batch, float32."""
    size: int
    """Examples in a batch; the last may have fewer."""
    kept: slice
    """The part of a batch that is passed on: a partner that is only mixed in is not."""

    @property
    def steps(self) -> int:
        """How many batches."""
        return -(-len(self.rows) // self.size)

    def batch(self, step: int) -> slice:
        """Where the examples of a batch stand."""
        return slice(step * self.size, (step + 1) * self.size)

    def keys(self, indices: np.ndarray) -> np.ndarray:
        """The keys that draws are made by, given where all the split's examples stand."""
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
    """One epoch of `count` examples.

    Args:
      count: examples in the split.
      batch_size: examples in a batch, over all workers.
      seed: None for the split's own order.
      epoch: from 0.
      start: batches that are done already.
      repeats: how often an example occurs in a batch.
      drop_remainder: leave out a last batch that is not full.
      pad: fill it up.
      share: worker k of n is (k, n).
      in_pairs: whether neighbours are mixed, so that both are needed to have one.
    """
    if share[1] > 1 and not (drop_remainder or pad):
        raise ValueError("workers share full batches: drop the remainder or pad it")
    if batch_size % share[1]:
        raise ValueError(f"a batch of {batch_size} does not divide over {share[1]} workers")
    total = count // batch_size * batch_size if drop_remainder else count
    places, times = _repeated(total, batch_size, repeats)
    rows = _permuted(count, seed, epoch)[places]
    rows, times = rows[start * batch_size :], times[start * batch_size :]
    weights = np.ones(len(rows), np.float32)
    if pad:
        # The last example again: whatever it is, its weight is 0.
        missing = -len(rows) % batch_size
        rows, times = (np.pad(values, (0, missing), mode="edge") for values in (rows, times))
        weights = np.pad(weights, (0, missing))
    part, kept = _part(batch_size, share, in_pairs)
    if share[1] > 1:
        rows, times, weights = (
            values.reshape(-1, batch_size)[:, part].ravel() for values in (rows, times, weights)
        )
    return Sampler(rows, times, weights, part.stop - part.start, kept)


def _permuted(count: int, seed: int | None, epoch: int) -> np.ndarray:
    order = np.arange(count)
    if seed is None:
        return order
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, epoch]).permutation(order)


def _repeated(total: int, batch_size: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Where in the permutation each place of an epoch is filled from, and which repeat it is.

    A batch goes through its examples once, then again: neighbours, which are mixed, are different
    examples. Every batch takes up as many new ones as the first, so later ones of the permutation
    wait for another epoch.
    """
    place = np.arange(total)
    step, within = place // batch_size, place % batch_size
    full = -(-batch_size // repeats)
    last = -(-(total % batch_size) // repeats)
    distinct = np.where(step < total // batch_size, full, max(last, 1))
    return step * full + within % distinct, within // distinct


def _part(batch_size: int, share: tuple[int, int], in_pairs: bool) -> tuple[slice, slice]:
    """What a worker needs of a batch, and what of that is its own."""
    worker, workers = share
    size = batch_size // workers
    first, end = worker * size, (worker + 1) * size
    if not in_pairs:
        return slice(first, end), slice(0, size)
    # Of parts of odd size the first or last image is mixed with a neighbour's.
    wide_first, wide_end = first - first % 2, min(end + end % 2, batch_size)
    return slice(wide_first, wide_end), slice(first - wide_first, end - wide_first)
