"""Which examples are held out: a seeded, stratified choice that any run can repeat."""

from __future__ import annotations

import numpy as np


def stratified_holdout(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to keep and indices to hold out, with each class in proportion.

    Of `n` labels, `round(n * fraction)` are held out. Each class gives its share, rounded by
    largest remainder, but always keeps one example; where that leaves too few to give, fewer are
    held out. The same labels, fraction and seed give the same choice.

    Args:
      labels: integer class of each example, shape (examples,).
      fraction: share to hold out, 0 <= fraction < 1.
      seed: another seed gives another choice.

    Returns:
      Two sorted int64 arrays that together hold every index once.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction should be in [0, 1), not {fraction}")
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    quotas = _quotas(counts, fraction)
    generator = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, len(labels)])
    chosen = [
        generator.permutation(np.flatnonzero(labels == name))[:quota]
        for name, quota in zip(classes, quotas, strict=True)
    ]
    held_out = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
    kept = np.setdiff1d(np.arange(len(labels)), held_out, assume_unique=True)
    return kept.astype(np.int64), held_out.astype(np.int64)


def _quotas(counts: np.ndarray, fraction: float) -> np.ndarray:
    """How many examples each class gives: whole numbers that add up to the wanted total."""
    shares = counts * fraction
    quotas = np.floor(shares).astype(np.int64)
    total = int(np.rint(counts.sum() * fraction))
    # Stable order: of equal remainders the first class gives one more.
    for index in np.argsort(-(shares - quotas), kind="stable")[: max(0, total - int(quotas.sum()))]:
        quotas[index] += 1
    return np.minimum(quotas, np.maximum(counts - 1, 0))
