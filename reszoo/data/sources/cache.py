"""The cache of prepared data: its location, locking and pruning.

Prepared data are never written into a user's own folders. They are kept in `data_dir`, else in
`$RESZOO_DATA`, else in the user's cache (`$XDG_CACHE_HOME/reszoo` or `~/.cache/reszoo`). Data sets
of TensorFlow Datasets are kept in one of the first two, else where that package keeps them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import tensorflow as tf
import tensorflow_datasets as tfds

from reszoo.atomic_files import machine_error
from reszoo.errors import MachineError

_HINT = "set RESZOO_DATA to a folder you may write to, on a disk with space"
_UNUSED_SECONDS = 24 * 3600


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Returns the folder of prepared digits and image folders."""
    if chosen := data_dir or os.environ.get("RESZOO_DATA"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "reszoo"


def tfds_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Returns the folder of TensorFlow Datasets' data sets."""
    if chosen := data_dir or os.environ.get("RESZOO_DATA") or os.environ.get("TFDS_DATA_DIR"):
        return Path(chosen).expanduser()
    return Path("~/tensorflow_datasets").expanduser()


def short_hash(*parts: object) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of some values."""
    return hashlib.sha256(
        "\0".join(str(part) for part in parts).encode("utf-8", "surrogateescape")
    ).hexdigest()[:16]


class LocalDatasetInfo(tfds.core.DatasetInfo):
    """The info of a data set prepared locally.

    TFDS would first query Google's bucket for it, and leave an empty temporary folder each time.
    """

    def initialize_from_bucket(self) -> None:
        """Does nothing: the data set is made here."""


def prepare(make: Callable[[], Any], folder: Path) -> Any:
    """Returns the builder that `make` returns, with its data prepared in `folder`.

    One process prepares while others wait, then read the result. A process that was killed leaves
    an incomplete folder, which the next one removes.

    Raises:
      MachineError: the folder cannot be written.
    """
    builder = make()
    if is_prepared(builder):
        return builder
    try:
        with folder_lock(folder), silence_tfds():
            builder = make()
            if not is_prepared(builder):
                for leftover in builder.data_path.parent.glob("*incomplete*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                builder.download_and_prepare()
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        if message := _disk_error(error, folder):
            raise MachineError(message, hint=_HINT) from error
        raise
    return builder


def _disk_error(error: BaseException | None, folder: Path) -> str | None:
    """Returns the message of a disk error, which TFDS wraps in errors of other types."""
    if isinstance(error, tf.errors.OpError):
        return f"cannot write prepared data to {folder}: {error.message}"
    if isinstance(error, OSError):
        return machine_error(error, folder).what
    return _disk_error(error.__cause__, folder) if error is not None else None


def is_prepared(builder: Any) -> bool:
    """Returns whether a builder's data exist; its own `is_prepared` warns if they do not."""
    return bool((builder.data_path / "dataset_info.json").exists())


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: one process at a time prepares data in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if filelock.FileLock is filelock.SoftFileLock:  # It would outlive a killed process.
        yield
        return
    with filelock.FileLock(folder / ".lock", fallback_to_soft=False):
        yield


@contextlib.contextmanager
def silence_tfds() -> Iterator[None]:
    """Silences TensorFlow Datasets: standard output is reserved for results."""
    progress_bar = tfds.core.utils.tqdm_utils._active
    tfds.display_progress_bar(False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(progress_bar)


def touch(folder: Path) -> None:
    """Sets the time prepared data were last used; a read-only folder is never pruned."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def prune(folder: Path, keep: Path) -> None:
    """Removes outdated prepared data from `folder` that were not used for a day."""
    for other in folder.iterdir():
        with contextlib.suppress(OSError):
            unused = time.time() - other.stat().st_mtime > _UNUSED_SECONDS
            if other != keep and other.is_dir() and unused:
                shutil.rmtree(other, ignore_errors=True)
