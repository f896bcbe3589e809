"""The checkpoint file: a training's variables and facts in one safetensors file.

Its tensors are every variable that training changes; its metadata holds the facts as JSON and a
SHA-256 of the whole file. Keras's own `.weights.h5` lacks the seed generators, without which
dropout does not continue where it stopped. Files of version 0.1 (`.state`) are read too.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from reszoo.atomic_files import atomic_file
from reszoo.json_text import parse_json
from reszoo.regular_files import special_kind

FORMAT = "reszoo checkpoint"
FORMAT_VERSION = 2
"""Version 1 are the `.state` files of reszoo 0.1."""

Arrays = dict[str, np.ndarray]

_MOST_UNPACKED = 200
"""Largest size of the arrays of version 0.1, as a multiple of their archive's."""
_BLANK = b"0" * 64
"""The place of the SHA-256 while it is computed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Facts about a moment of a training, and its variables by name."""

    facts: Mapping[str, Any]
    arrays: Arrays


class DamagedCheckpoint(Exception):
    """A checkpoint file that is truncated, changed or not one of ours."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically, with a SHA-256 of everything in it."""
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "facts": json.dumps(dict(checkpoint.facts)),
        "sha256": _BLANK.decode(),
    }
    # safetensors 0.8 writes the memory of an array as it lies, whatever its strides.
    arrays = {name: np.asarray(array, order="C") for name, array in checkpoint.arrays.items()}
    content = safetensors.numpy.save(arrays, metadata)
    header = _sorted_header(content)
    tensors = memoryview(content)[8 + len(_header(content)) :]
    digest = hashlib.sha256(header)  # in which the digest is left blank
    digest.update(tensors)
    begin = _digest_begin(header, _BLANK)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(header[:begin])
        file.write(digest.hexdigest().encode())
        file.write(header[begin + len(_BLANK) :])
        file.write(tensors)


def _sorted_header(content: bytes) -> bytes:
    """Returns the header of a safetensors file, with its length, and with its keys in order.

    safetensors 0.8 writes metadata in the random order of a hash map; equal runs write equal bytes.
    """
    fields = json.loads(_header(content))
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors stay aligned
    return len(text).to_bytes(8, "little") + text


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
      DamagedCheckpoint: the file is not whole; the message says why.
    """
    if kind := special_kind(path):
        raise DamagedCheckpoint(f"{kind}, not a file")
    try:
        content = path.read_bytes()
        return _read_v1(content) if path.suffix == ".state" else _read(content)
    except OSError as error:
        raise DamagedCheckpoint(error.strerror or str(error)) from error
    except DamagedCheckpoint:
        raise
    except Exception as error:  # Readers of damaged files raise all kinds.
        if isinstance(error, MemoryError) and path.suffix != ".state":
            raise  # An .npz whose header lies asks for any amount.
        raise DamagedCheckpoint("not a checkpoint file") from error


def _read(content: bytes) -> Checkpoint:
    metadata = parse_json(_header(content))["__metadata__"]
    if metadata["format"] != FORMAT or int(metadata["format_version"]) > FORMAT_VERSION:
        raise DamagedCheckpoint("not a checkpoint that this reszoo knows")
    begin = _digest_begin(content, metadata["sha256"].encode())
    if _digest(content, begin) != metadata["sha256"]:
        raise DamagedCheckpoint("its checksum differs")
    return Checkpoint(parse_json(metadata["facts"]), safetensors.numpy.load(content))


def _digest_begin(content: bytes, digest: bytes) -> int:
    """Returns where the digest stands in the header; quotes inside the facts are escaped."""
    field = b'"sha256":"'
    return 8 + _header(content).index(field + digest) + len(field)


def _header(content: bytes) -> bytes:
    """Returns the JSON before the tensors; its length stands in the first eight bytes."""
    return bytes(content[8 : 8 + int.from_bytes(content[:8], "little")])


def _digest(content: bytes | memoryview, begin: int) -> str:
    """Returns the SHA-256 of a file whose digest, at `begin`, is left blank."""
    view = memoryview(content)
    digest = hashlib.sha256(view[:begin])
    digest.update(_BLANK)
    digest.update(view[begin + len(_BLANK) :])
    return digest.hexdigest()


def _read_v1(content: bytes) -> Checkpoint:
    """Reads a file of version 0.1: a line of JSON with facts and a checksum, then an `.npz`."""
    line, _, payload = content.partition(b"\n")
    header = parse_json(line)
    if header["format"] != "reszoo state" or header["format_version"] > 1:
        raise DamagedCheckpoint("not a checkpoint that this reszoo knows")
    if len(payload) != header["bytes"]:
        raise DamagedCheckpoint(f"{len(payload)} of {header['bytes']} bytes")
    if hashlib.sha256(payload).hexdigest() != header["sha256"]:
        raise DamagedCheckpoint("its checksum differs")
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _MOST_UNPACKED * len(payload):
        raise DamagedCheckpoint(f"it unpacks to {unpacked >> 20} MiB")
    with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
        return Checkpoint(header["facts"], {name: stored[name] for name in stored.files})
