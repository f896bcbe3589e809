"""Run folders: everything a training leaves behind and later commands read, without TensorFlow."""

from reszoo.runs.cluster.devices import choose_precision, choose_strategy
from reszoo.runs.doctor import Finding, diagnose
from reszoo.runs.run import Run

__all__ = ["Finding", "Run", "choose_precision", "choose_strategy", "diagnose"]
