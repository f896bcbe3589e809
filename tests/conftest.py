"""What all tests share: a quiet TensorFlow, here and in children, and the same random numbers."""

import os
import random
import signal

import pytest
from hypothesis import settings

from tests.recorded_errors import hollow, recorded

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A machine that does much else takes longer over an example. `pytest --hypothesis-profile=default`
# looks for new ones.
settings.register_profile("reszoo", deadline=None, derandomize=True)
settings.load_profile("reszoo")

# A shell that starts something in the background has it ignore Ctrl-C, which some tests send
# themselves and their children.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def the_same_weights_each_time():
    """Seeds the generator from which Keras seeds initial weights, so that failures repeat.

    `keras.utils.set_random_seed` also seeds TensorFlow, which forgets all its kernels for that: the
    tests would take an eighth longer.
    """
    random.seed(0)


@pytest.fixture(autouse=True)
def every_error_says_what_to_do():
    """Fails a test in which reszoo made an error with no `do:`, or with a hollow one."""
    with recorded() as errors:
        yield
    assert not (found := hollow(errors)), "no `do:` that can be carried out:\n" + "\n".join(found)
