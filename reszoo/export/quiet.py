"""How is TensorFlow kept from talking over the command line while it converts?"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

from reszoo.quiet import stderr_to

_KEPT_CHARACTERS = 2000


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what TensorFlow, its C++ parts and its warnings say on stderr.

    An error that leaves the block carries the end of what was hidden as a note, because the
    converter explains its failures only there.
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    with tempfile.TemporaryFile() as hidden, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            with stderr_to(hidden):
                yield
        except Exception as error:
            if said := _tail(hidden):
                error.add_note(said)
            raise
        finally:
            logger.setLevel(level)


def _tail(file: IO[bytes]) -> str:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _KEPT_CHARACTERS))
    return file.read().decode(errors="replace").strip()
