"""Augmentation: deterministic crops, flips, colour operations, mixup, cutmix and erasing."""
