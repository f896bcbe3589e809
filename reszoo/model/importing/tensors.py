"""Which tensors are in a weights file? Their names and shapes at once, their values one by one."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors

from reszoo.errors import MachineError, UserError, first_line
from reszoo.model.importing.hdf5 import LinkError, NamelessError, datasets
from reszoo.model.importing.weight_source import refused_pickle

Shape = tuple[int, ...]

_KERAS_MEMBER = "model.weights.h5"
_KERAS_NAME = re.compile(r"\.(kernel|gamma|beta|moving_mean|moving_variance)(:0)?$")
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


@dataclass(frozen=True, slots=True)
class Tensors:
    """An open weights file. Keras's weights are called `layer/weight`, torch's as torch does."""

    path: Path
    shapes: Mapping[str, Shape]
    _read: Callable[[str], np.ndarray]

    def read(self, name: str) -> np.ndarray:
        """One tensor in float32.

        Raises:
          UserError: the file is damaged there, or the values are no finite numbers.
        """
        try:
            values = np.asarray(self._read(name), dtype=np.float32)
        except (OSError, ValueError, TypeError, safetensors.SafetensorError) as error:
            raise damaged(self.path, f"{name}: {describe_error(error)}") from error
        if not np.isfinite(values).all():
            raise damaged(self.path, f"values in {name} that are no numbers")
        return values


@contextlib.contextmanager
def open_tensors(path: Path) -> Iterator[Tensors]:
    """The tensors of a .h5, .weights.h5, .keras or .safetensors file; nothing in it is run.

    Raises:
      UserError: the file is damaged, cut off, a pickle by another name, or its layers are nameless.
      MachineError: it may not be read, or there is no room to unpack it.
    """
    _refuse_pickle(path)
    with contextlib.ExitStack() as stack:
        try:
            tensors = _opened(path, stack)
        except NamelessError as error:
            raise UserError(
                f"{path} does not say what its layers are called",
                expected="weights saved by a Keras that writes layers' names",
                found=f"a layer known as {error} only",
                hint="load them into their model and save that again, as .keras or .weights.h5",
            ) from error
        except LinkError as error:
            raise UserError(
                f"{path} points to another file and was not read",
                expected="a file that holds its weights itself",
                found=f"a link or external data at {error}",
            ) from error
        except (zipfile.BadZipFile, safetensors.SafetensorError, ValueError, KeyError) as error:
            raise damaged(path, describe_error(error)) from error
        except OSError as error:
            if error.errno:
                raise unreadable(path, error) from error
            raise damaged(path, describe_error(error)) from error  # HDF5's own have no number
        yield tensors


def unreadable(path: Path, error: OSError) -> MachineError:
    """What to say of a file that the machine does not let us read."""
    return MachineError(f"cannot read {path}: {error.strerror or describe_error(error)}")


def damaged(path: Path, found: str) -> UserError:
    """What to say of a file that cannot be read."""
    return UserError(
        f"{path} is not a readable weights file",
        expected="a whole .h5, .weights.h5, .keras or .safetensors file",
        found=found,
        hint="it may be cut off or damaged: copy or download it again",
    )


def describe_error(error: BaseException) -> str:
    """Returns the class of an exception and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"


def _opened(path: Path, stack: contextlib.ExitStack) -> Tensors:
    if path.suffix == ".safetensors":
        return _safetensors(path, stack)
    if path.suffix == ".keras":
        return _hdf5(_unpacked(path, stack), path, stack)
    return _hdf5(path, path, stack)


def _safetensors(path: Path, stack: contextlib.ExitStack) -> Tensors:
    window = _Window(path)
    stack.callback(window.close)
    own = {name: window.file.get_slice(name) for name in window.file.keys()}  # noqa: SIM118
    floats = {name: part for name, part in own.items() if part.get_dtype() in _FLOATS}
    # a Keras model in safetensors: `conv1_conv.kernel` is `conv1_conv/kernel` everywhere else
    keras = any(_KERAS_NAME.search(name) for name in floats)
    theirs = {_keras_name(name) if keras else name: name for name in floats}
    shapes = {name: tuple(floats[their].get_shape()) for name, their in theirs.items()}
    return Tensors(path, shapes, lambda name: window.read(theirs[name]))


class _Window:
    """A safetensors file that is mapped into memory anew after every so many bytes.

    What was read from a mapped file counts as this process's memory until it is unmapped; in the
    end that would be all weights twice.
    """

    _BYTES = 1 << 22

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = 0
        self.file: Any = self._mapped()

    def read(self, name: str) -> np.ndarray:
        """A tensor's values, in memory of their own."""
        if self._seen > self._BYTES:
            self.close()
            self.file, self._seen = self._mapped(), 0
        values: np.ndarray = self.file.get_tensor(name)
        self._seen += values.nbytes
        return values

    def close(self) -> None:
        """Unmaps the file."""
        self.file.__exit__(None, None, None)

    def _mapped(self) -> Any:
        return safetensors.safe_open(self._path, framework="numpy").__enter__()


def _keras_name(name: str) -> str:
    name = name.removesuffix(":0")
    layer, dot, weight = name.rpartition(".")
    return f"{layer}/{weight}" if dot and "/" not in weight else name


def _hdf5(file_path: Path, path: Path, stack: contextlib.ExitStack) -> Tensors:
    found = datasets(stack.enter_context(h5py.File(file_path, "r")))
    shapes = {name: tuple(dataset.shape) for name, dataset in found.items()}
    return Tensors(path, shapes, lambda name: found[name][()])


def _unpacked(path: Path, stack: contextlib.ExitStack) -> Path:
    """The HDF5 file in a .keras archive, on disk, so that it need not stand in memory."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reszoo-weights-")))
    target = folder / _KERAS_MEMBER
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(_KERAS_MEMBER).file_size > 8 * path.stat().st_size + (1 << 20):
            raise ValueError(f"{_KERAS_MEMBER} is far larger than the archive")
        with archive.open(_KERAS_MEMBER) as member, target.open("wb") as copy:
            shutil.copyfileobj(member, copy, 1 << 20)
    return target


def _refuse_pickle(path: Path) -> None:
    """A pickle under the name of something else is told apart by what it begins with."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    # a safetensors file begins with the length of its header, whose upper bytes are 0
    protocol = start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    if (protocol and start[4:] != bytes(4)) or (start[:2] == b"PK" and _holds_pickle(path)):
        raise refused_pickle(str(path))


def _holds_pickle(path: Path) -> bool:
    """Whether it is the archive that torch.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
