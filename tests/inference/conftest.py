"""The trained run that the tests of training share."""

from tests.training.conftest import assert_equal_runs, reference

__all__ = ["assert_equal_runs", "reference"]
