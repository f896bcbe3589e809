"""Optimizers, parameter groups, weight averaging and learning-rate schedules."""
