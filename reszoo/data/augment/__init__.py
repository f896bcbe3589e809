"""Augmentation: deterministic crops, flips, colour operations, mixup and erasing."""
