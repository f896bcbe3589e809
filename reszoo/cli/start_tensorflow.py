"""Start of TensorFlow without its three screens of messages."""

from __future__ import annotations

import importlib
import logging
import sys
import tempfile
import warnings

from reszoo.errors import MachineError
from reszoo.keras_import import import_lean_keras
from reszoo.stderr import stderr_to


def start_tensorflow(*, debug: bool) -> None:
    """Imports TensorFlow and Keras, silently unless `debug`; to be called after cheap checks.

    Raises:
      MachineError: they are not installed, or fail to start on this machine.
    """
    if "tensorflow" in sys.modules:
        return
    if debug:
        import_lean_keras()
        return
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryFile() as hidden, stderr_to(hidden):
            import_lean_keras()
            # Listing the devices makes TensorFlow look for a GPU, and complain, now.
            importlib.import_module("tensorflow").config.list_physical_devices()
    except ImportError as error:
        raise MachineError(
            f"TensorFlow does not start: {error}",
            hint="run `reszoo doctor` to see what is missing, or add --debug to see "
            "TensorFlow's own messages",
        ) from error
