"""The first import of TensorFlow without its messages about processors and missing GPUs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from reszoo.stderr import stderr_to

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow's variable; from "0" (everything) to "3" (nothing), which is what reszoo sets."""
_QUIET = "3"
_NOISE = re.compile(
    rb"WARNING: All log messages before absl|To enable the following instructions"
    rb"|[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Hides TensorFlow's log messages while the block imports it; other output is kept.

    TensorFlow writes some of them before it reads its variable, so the file descriptor of stderr is
    redirected. Does nothing where TensorFlow is imported already, or where the variable asks for
    messages.
    """
    if "tensorflow" in sys.modules or os.environ.setdefault(LEVEL, _QUIET) != _QUIET:
        yield
        return
    with tempfile.TemporaryFile() as hidden:
        try:
            with stderr_to(hidden):
                yield
        finally:
            _print_others(hidden)


def _print_others(hidden: IO[bytes]) -> None:
    hidden.seek(0)
    for line in hidden:
        if not _NOISE.match(line):
            sys.stderr.write(line.decode(errors="replace"))
