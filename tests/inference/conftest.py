"""The trained run, shared with the tests of training."""

from tests.training.conftest import assert_equal_runs, reference

__all__ = ["assert_equal_runs", "reference"]
