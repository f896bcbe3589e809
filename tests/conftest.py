"""What all tests share: TensorFlow keeps quiet, in this process and in those that tests start."""

import os
import signal

import pytest

from tests.recorded_errors import hollow, recorded

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell that starts something in the background has it ignore Ctrl-C, which some tests send
# themselves and their children.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def every_error_says_what_to_do():
    """Fails a test in which reszoo made an error with no `do:`, or with a hollow one."""
    with recorded() as errors:
        yield
    assert not (found := hollow(errors)), "no `do:` that can be carried out:\n" + "\n".join(found)
