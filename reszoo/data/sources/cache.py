"""Where prepared data lie on this machine, and how they get there whole.

Prepared data never go into a user's own folders: they lie in `data_dir`, else in `$RESZOO_DATA`,
else in the user's cache (`$XDG_CACHE_HOME/reszoo`, `~/.cache/reszoo`). Data sets of TensorFlow
Datasets lie where that package keeps them unless one of the first two says otherwise.
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

import tensorflow as tf
import tensorflow_datasets as tfds

from reszoo.atomic_files import machine_error
from reszoo.errors import MachineError

_HINT = "set RESZOO_DATA to a folder you may write to, on a disk with space"
_UNUSED_SECONDS = 24 * 3600


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that prepared digits and image folders are kept in."""
    if chosen := data_dir or os.environ.get("RESZOO_DATA"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "reszoo"


def tfds_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that data sets of TensorFlow Datasets are kept in."""
    if chosen := data_dir or os.environ.get("RESZOO_DATA") or os.environ.get("TFDS_DATA_DIR"):
        return Path(chosen).expanduser()
    return Path("~/tensorflow_datasets").expanduser()


def short_hash(*parts: object) -> str:
    """Sixteen hexadecimal digits that stand for some values."""
    return hashlib.sha256(
        "\0".join(str(part) for part in parts).encode("utf-8", "surrogateescape")
    ).hexdigest()[:16]


class LocalDatasetInfo(tfds.core.DatasetInfo):
    """What a data set of ours holds.

    TFDS would first ask Google's bucket whether it knows the set, and leave an empty folder in the
    system's temporary one each time.
    """

    def initialize_from_bucket(self) -> None:
        """Asks nobody: the set is made here."""


def prepared(make: Callable[[], Any], folder: Path) -> Any:
    """The builder that `make` returns, with its data prepared in `folder`.

    One process prepares, others wait for it and then read what it made. A process that was killed
    leaves only an incomplete folder, which the next one removes.

    Raises:
      MachineError: the folder cannot be written.
    """
    builder = make()
    if is_prepared(builder):
        return builder
    try:
        with locked(folder), quiet():
            builder = make()
            if not is_prepared(builder):
                for leftover in builder.data_path.parent.glob("*incomplete*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                builder.download_and_prepare()
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        if what := _disk_failure(error, folder):
            raise MachineError(what, hint=_HINT) from error
        raise
    return builder


def _disk_failure(error: BaseException | None, folder: Path) -> str | None:
    """What the disk refused, in words; TensorFlow Datasets wraps it in errors of other types."""
    if isinstance(error, tf.errors.OpError):
        return f"cannot write prepared data to {folder}: {error.message}"
    if isinstance(error, OSError):
        return machine_error(error, folder).what
    return _disk_failure(error.__cause__, folder) if error is not None else None


def is_prepared(builder: Any) -> bool:
    """Whether a builder's data lie on disk; its own `is_prepared` warns where they do not."""
    return bool((builder.data_path / "dataset_info.json").exists())


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, so that one process at a time prepares data in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        try:
            import fcntl
        except (
            ImportError
        ):  # Windows: two processes may prepare the same data; the last one stands.
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences TensorFlow Datasets while it prepares: standard output is for results."""
    shown = tfds.core.utils.tqdm_utils._active
    tfds.display_progress_bar(False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(shown)


def touch(folder: Path) -> None:
    """Notes that prepared data were used now; where the folder is read-only there is no need to."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def prune(folder: Path, keep: Path) -> None:
    """Removes prepared data in `folder` that an image folder has outgrown, unused for a day."""
    for other in folder.iterdir():
        with contextlib.suppress(OSError):
            if (
                other != keep
                and other.is_dir()
                and time.time() - other.stat().st_mtime > _UNUSED_SECONDS
            ):
                shutil.rmtree(other, ignore_errors=True)
