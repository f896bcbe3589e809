"""Weights files: the names and shapes of all tensors, and their values one at a time."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors

from reszoo.errors import MachineError, UserError, first_line
from reszoo.model.importing.hdf5 import LinkError, MissingNamesError, weight_datasets
from reszoo.model.keras_archive import read_config
from reszoo.path_hints import unreadable_hint
from reszoo.regular_files import require_regular_file
from reszoo.weight_source import pickle_refusal

Shape = tuple[int, ...]

_KERAS_MEMBER = "model.weights.h5"
_KERAS_NAME = re.compile(r"\.(kernel|gamma|beta|moving_mean|moving_variance)(:0)?$")
_FLOATS = frozenset({"float64", "float32", "float16", "bfloat16"})


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """An open weights file. Keras's weights are named `layer/weight`, torch's as in torch."""

    path: Path
    shapes: Mapping[str, Shape]
    _read: Callable[[str], np.ndarray]
    architecture: str | None = None
    """The network's name in the metadata of a .safetensors file."""
    model_config: str | bytes | None = None
    """The graph of the whole Keras model that a .h5 file holds, as JSON."""

    def without_prefix(self, prefix: str) -> WeightsFile:
        """Returns the file with a prefix of all its names removed."""
        shapes = {name.removeprefix(prefix): shape for name, shape in self.shapes.items()}
        return replace(self, shapes=shapes, _read=lambda name: self._read(prefix + name))

    def read(self, name: str) -> np.ndarray:
        """Returns one tensor in float32.

        Raises:
          UserError: the tensor is damaged, or has values that are not floats or not finite.
          MachineError: the file is not readable.
        """
        try:
            tensor = np.asarray(self._read(name))
        except Exception as error:
            raise _read_error(self.path, error, f"{name}: ") from error
        if tensor.dtype.name not in _FLOATS:
            raise UserError(
                f"{self.path} has weights that are not floats",
                expected="float16, bfloat16, float32 or float64",
                found=f"{tensor.dtype.name} in {name}",
                hint="save the trained weights as float32",
            )
        values = np.asarray(tensor, dtype=np.float32)
        if not np.isfinite(values).all():
            raise _damaged_file(self.path, f"values in {name} that are not finite")
        return values


@contextlib.contextmanager
def open_weights_file(path: Path) -> Iterator[WeightsFile]:
    """Opens a .h5, .weights.h5, .keras or .safetensors file. No code in it is run.

    Raises:
      UserError: the file is damaged, a pickle with another suffix, or without layer names.
      MachineError: the file is not readable, or there is no space to unpack it.
    """
    require_regular_file(path)
    _refuse_pickle(path)
    with contextlib.ExitStack() as stack:
        try:
            weights = _open(path, stack)
        except MissingNamesError as error:
            raise UserError(
                f"{path} has no names of its layers",
                expected="weights saved by a version of Keras that writes layer names",
                found=f"only a layer with the key {error}",
                hint="load them into their model and save that again, as .keras or .weights.h5",
            ) from error
        except LinkError as error:
            raise UserError(
                f"{path} points to another file and was not read",
                expected="a file that contains its weights",
                found=f"a link or external data at {error}",
                hint="copy the weights into one file: load them where they are and save them again",
            ) from error
        except UserError:
            raise
        except Exception as error:
            raise _read_error(path, error) from error
        yield weights


def _read_error(path: Path, error: Exception, where: str = "") -> UserError | MachineError:
    """Returns the error for any exception that a reader raises: damaged files cause all kinds."""
    if isinstance(error, OSError) and error.errno:  # HDF5's own errors have none.
        return _unreadable_file(path, error)
    return _damaged_file(path, where + describe_error(error))


def _unreadable_file(path: Path, error: OSError) -> MachineError:
    """Returns the error for a file that the operating system refuses to read."""
    return MachineError(
        f"cannot read {path}: {error.strerror or describe_error(error)}",
        hint=unreadable_hint(error, path),
    )


def _damaged_file(path: Path, found: str) -> UserError:
    return UserError(
        f"{path} is not a readable weights file",
        expected="an intact .h5, .weights.h5, .keras or .safetensors file",
        found=found,
        hint="it may be cut off or damaged: copy or download it again",
    )


def describe_error(error: BaseException) -> str:
    """Returns the class of an exception and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"


def _open(path: Path, stack: contextlib.ExitStack) -> WeightsFile:
    if path.suffix == ".safetensors":
        return _safetensors(path, stack)
    hdf5 = _unpack(path, stack) if path.suffix == ".keras" else path
    file = stack.enter_context(h5py.File(hdf5, "r"))
    datasets = weight_datasets(file)
    shapes = {name: tuple(dataset.shape) for name, dataset in datasets.items()}
    config = file.attrs.get("model_config")
    model_config = config if isinstance(config, str | bytes) else None
    return WeightsFile(path, shapes, lambda name: datasets[name][()], model_config=model_config)


def _safetensors(path: Path, stack: contextlib.ExitStack) -> WeightsFile:
    window = _Window(path)
    stack.callback(window.close)
    slices = {name: window.file.get_slice(name) for name in window.file.keys()}  # noqa: SIM118
    # Integers with fewer than two axes are counters and seeds, not weights.
    weights = {
        name: tensor
        for name, tensor in slices.items()
        if tensor.get_dtype() in ("F64", "F32", "F16", "BF16") or len(tensor.get_shape()) > 1
    }
    # A Keras model in safetensors: `conv1_conv.kernel` is `conv1_conv/kernel` everywhere else.
    is_keras = any(_KERAS_NAME.search(name) for name in weights)
    stored_names = {_keras_name(name) if is_keras else name: name for name in weights}
    shapes = {name: tuple(weights[stored].get_shape()) for name, stored in stored_names.items()}
    architecture = (window.file.metadata() or {}).get("architecture")
    return WeightsFile(path, shapes, lambda name: window.read(stored_names[name]), architecture)


class _Window:
    """A memory-mapped safetensors file that is mapped again after every 4 MiB read.

    Pages read from a mapped file count as this process's memory until it is unmapped: with one
    mapping, all weights would be in memory twice.
    """

    _MAX_BYTES = 1 << 22

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes_read = 0
        self.file: Any = self._map()

    def read(self, name: str) -> np.ndarray:
        if self._bytes_read > self._MAX_BYTES:
            self.close()
            self.file, self._bytes_read = self._map(), 0
        values: np.ndarray = self.file.get_tensor(name)
        self._bytes_read += values.nbytes
        return values

    def close(self) -> None:
        self.file.__exit__(None, None, None)

    def _map(self) -> Any:
        return safetensors.safe_open(self._path, framework="numpy").__enter__()


def _keras_name(name: str) -> str:
    name = name.removesuffix(":0")
    layer, dot, weight = name.rpartition(".")
    return f"{layer}/{weight}" if dot and "/" not in weight else name


def _unpack(path: Path, stack: contextlib.ExitStack) -> Path:
    """Unpacks the HDF5 file in a .keras archive to disk, to keep it out of memory."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reszoo-weights-")))
    target = folder / _KERAS_MEMBER
    with zipfile.ZipFile(path) as archive:
        read_config(archive, path)
        with archive.open(_KERAS_MEMBER) as member, target.open("wb") as copy:
            shutil.copyfileobj(member, copy, 1 << 20)
    return target


def _refuse_pickle(path: Path) -> None:
    """Refuses a pickle with another suffix, recognised by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise _unreadable_file(path, error) from error
    # A safetensors file starts with the length of its header, whose upper bytes are 0.
    protocol = start[:1] == b"\x80" and b"\x02" <= start[1:2] <= b"\x05"
    if (protocol and start[4:] != bytes(4)) or (start[:2] == b"PK" and _holds_pickle(path)):
        raise pickle_refusal(str(path))


def _holds_pickle(path: Path) -> bool:
    """Returns whether a zip archive is one that torch.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
