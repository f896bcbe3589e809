"""Validation splits: a seeded, stratified holdout that any run can repeat."""

from __future__ import annotations

import numpy as np


def stratified_holdout(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Splits the indices of examples into kept and held out, each class in proportion.

    Of `n` labels `round(n * fraction)` are held out, divided among the classes by the largest
    remainder method. Each class keeps at least one example, so fewer may be held out. The result,
    two sorted int64 arrays, is a pure function of labels, fraction and seed.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction should be in [0, 1), not {fraction}")
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    quotas = _quotas(counts, fraction)
    generator = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, len(labels)])
    chosen = [
        generator.permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    held_out = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
    kept = np.setdiff1d(np.arange(len(labels)), held_out, assume_unique=True)
    return kept.astype(np.int64), held_out.astype(np.int64)


def _quotas(counts: np.ndarray, fraction: float) -> np.ndarray:
    """Returns how many examples of each class are held out, by the largest remainder method."""
    shares = counts * fraction
    quotas = np.floor(shares).astype(np.int64)
    total = int(np.rint(counts.sum() * fraction))
    # Stable order: of equal remainders the first class rounds up.
    for index in np.argsort(-(shares - quotas), kind="stable")[: max(0, total - int(quotas.sum()))]:
        quotas[index] += 1
    return np.minimum(quotas, np.maximum(counts - 1, 0))
