from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reszoo.data.pipeline.sampler import epoch_sampler


@settings(max_examples=60)
@given(
    count=st.integers(0, 100),
    size=st.integers(1, 12),
    workers=st.integers(1, 4),
    repeats=st.integers(1, 5),
    start=st.integers(0, 3),
    pad=st.booleans(),
    in_pairs=st.booleans(),
)
def test_parts_are_a_partition_of_the_batches(count, size, workers, repeats, start, pad, in_pairs):
    batch_size = size * workers
    options = {"seed": 1, "epoch": 2, "start": start, "repeats": repeats, "in_pairs": in_pairs}
    options |= {"pad": pad, "drop_remainder": not pad}
    whole = epoch_sampler(count, batch_size, **options)
    parts = [
        epoch_sampler(count, batch_size, share=(worker, workers), **options)
        for worker in range(workers)
    ]
    assert {part.steps for part in parts} == {whole.steps}
    for step in range(whole.steps):
        for values in ("rows", "repeats", "weights"):
            own = [getattr(part, values)[part.batch(step)][part.own] for part in parts]
            np.testing.assert_array_equal(
                np.concatenate(own), getattr(whole, values)[whole.batch(step)]
            )


@pytest.mark.parametrize(("batch", "repeats"), [(12, 3), (10, 3), (8, 4), (5, 2), (2, 2)])
def test_repeats_of_an_image_are_in_one_batch_and_not_side_by_side(batch, repeats):
    sampler = epoch_sampler(100, batch, seed=0, epoch=0, repeats=repeats, drop_remainder=True)
    assert sampler.steps == 100 // batch
    seen = []
    for step in range(sampler.steps):
        rows, times = sampler.rows[sampler.batch(step)], sampler.repeats[sampler.batch(step)]
        distinct, counts = np.unique(rows, return_counts=True)
        assert len(distinct) == -(-batch // repeats)
        assert counts.max() <= repeats
        assert len({(row, time) for row, time in zip(rows, times, strict=True)}) == batch
        seen += distinct.tolist()
        if len(distinct) > 1:
            pairs = rows[: batch // 2 * 2].reshape(-1, 2)
            assert (pairs[:, 0] != pairs[:, 1]).all()
    # No image comes back in another batch of the epoch.
    assert len(seen) == len(set(seen))


def test_a_last_batch_that_is_not_full_repeats_too():
    sampler = epoch_sampler(10, 4, seed=0, epoch=0, repeats=2)
    assert sampler.steps == 3
    assert np.bincount(sampler.repeats).tolist() == [5, 5]
    assert len(set(sampler.rows.tolist())) == 5


def test_nothing_is_left_when_all_is_done():
    for pad in (False, True):
        sampler = epoch_sampler(10, 4, seed=0, epoch=0, start=3, pad=pad)
        assert (sampler.steps, len(sampler.rows)) == (0, 0)
