"""The archive of a .keras file: its members, written without dates and read without trust.

Beside Keras's own members it has `reszoo/architecture.yaml`, the spec that the network was built
from, and `reszoo/classes.json`, its class names.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from reszoo.errors import MachineError, UserError, first_line
from reszoo.json_text import parse_json
from reszoo.model.keras_config import least_weight_bytes, serialized_objects, weight_bytes
from reszoo.regular_files import require_regular_file
from reszoo.spec import Architecture, from_mapping, to_yaml
from reszoo.spec.document.yaml_source import parse_document
from reszoo.spec.saved_spec import SPEC_MEMBER, saved_spec

CLASSES_MEMBER = "reszoo/classes.json"
FORMAT_VERSION = 1  # of `reszoo/classes.json`

_CONFIG_MEMBER = "config.json"
_WEIGHTS_MEMBER = "model.weights.h5"
_METADATA_MEMBER = "metadata.json"
_SHARED_ID = re.compile(r'((?<!\\)"shared_object_id": )(\d+)')
_MAX_MEMBER_BYTES = 1 << 26  # of all members but the weights
_MACHINE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM}
)


def write_archive(
    source: Path, target: Path, spec: Architecture, classes: Sequence[str] | None
) -> None:
    """Writes Keras's archive anew, with the spec and the class names.

    Args:
      source: the file that Keras wrote.
      target: the file to write.
      spec: the network's architecture.
      classes: class names in the order of the logits, if known.
    """
    members = {SPEC_MEMBER: to_yaml(spec)}
    if classes is not None:
        document = {"format_version": FORMAT_VERSION, "classes": list(classes)}
        members[CLASSES_MEMBER] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    _write_canonical(source, target, members)


def _write_canonical(source: Path, target: Path, members: Mapping[str, str]) -> None:
    """Writes Keras's archive with further members, and without dates and memory addresses."""
    with zipfile.ZipFile(source) as keras_archive, zipfile.ZipFile(target, "w") as archive:
        for written in keras_archive.infolist():
            member = _undated(written.filename, written.file_size)
            with keras_archive.open(written) as reader, archive.open(member, "w") as writer:
                if written.filename == _CONFIG_MEMBER:
                    writer.write(_renumber(reader.read().decode()).encode())
                elif written.filename == _METADATA_MEMBER:
                    metadata = {**json.load(reader), "date_saved": "1980-01-01@00:00:00"}
                    writer.write(json.dumps(metadata).encode())
                else:
                    shutil.copyfileobj(reader, writer, 1 << 20)
        for name, text in members.items():
            archive.writestr(_undated(name), text)


def _undated(name: str, size: int = 0) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)  # of 1980, the earliest date of a zip archive
    member.external_attr, member.file_size = 0o644 << 16, size
    return member


def _renumber(config: str) -> str:
    """Numbers shared objects from 1; Keras writes their addresses in memory."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"{match[1]}{numbers.setdefault(match[2], len(numbers) + 1)}"

    return _SHARED_ID.sub(number, config)


def read_members(path: Path) -> tuple[dict[str, Any], Architecture | None, tuple[str, ...] | None]:
    """Returns Keras's config, the spec and the class names; None where the file has none.

    Raises:
      UserError: the file is missing, or no archive of a network.
      MachineError: it is not readable.
    """
    require_regular_file(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing of this name"
        raise UserError(
            f"there is no file {path}",
            expected="a .keras file",
            found=found,
            hint="name a .keras file that is there; `reszoo build SPEC -o NAME.keras` writes one",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            for member in (_CONFIG_MEMBER, _WEIGHTS_MEMBER):
                if member not in members:
                    raise _damaged_file(path, f"an archive without {member}")
            config = read_config(archive, path)
            spec = _read_spec(archive, path) if SPEC_MEMBER in members else None
            classes = _read_classes(archive, path) if CLASSES_MEMBER in members else None
            return config, spec, classes
    except Exception as error:
        raise readable_error(error, path) from error


def read_config(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Returns Keras's config; an archive that unpacks to more than its network needs is refused.

    Keras stores weights uncompressed, so that its archives are no smaller than what they hold.

    Raises:
      UserError: the archive is far larger than the network that it describes, or far smaller.
    """
    config = _read_mapping(archive, path, _CONFIG_MEMBER)
    unpacked = sum(member.file_size for member in archive.infolist())
    objects = list(serialized_objects(config))
    if (least := sum(map(least_weight_bytes, objects))) > unpacked + _MAX_MEMBER_BYTES:
        raise UserError(
            f"{path} describes a network that it has no weights for",
            expected=f"at least {least >> 20:,} MiB of weights",
            found=f"{unpacked >> 20:,} MiB in all",
            hint="get the file again from its author, as Keras or reszoo saved it",
        )
    needed = max(sum(map(weight_bytes, objects)), path.stat().st_size)
    if unpacked > needed + _MAX_MEMBER_BYTES:
        raise UserError(
            f"{path} unpacks to more than its network needs and was not unpacked",
            expected=f"at most {(needed + _MAX_MEMBER_BYTES) >> 20} MiB",
            found=f"{unpacked >> 20} MiB",
            hint="get the file again from its author, as Keras or reszoo saved it",
        )
    return config


def _read_bytes(archive: zipfile.ZipFile, path: Path, member: str) -> bytes:
    if archive.getinfo(member).file_size > _MAX_MEMBER_BYTES:
        raise _damaged_file(path, f"{member} larger than any network's")
    return archive.read(member)


def _read_mapping(archive: zipfile.ZipFile, path: Path, member: str) -> dict[str, Any]:
    value = parse_json(_read_bytes(archive, path, member))
    if not isinstance(value, dict):
        raise _damaged_file(path, f"{member} that holds no mapping")
    return value


def _read_spec(archive: zipfile.ZipFile, path: Path) -> Architecture:
    where = saved_spec(str(path))
    try:
        document = parse_document(_read_bytes(archive, path, SPEC_MEMBER), where)
        return cast(Architecture, from_mapping(document.plain()))
    except UserError as error:
        raise UserError(
            f"{path} carries a spec that this reszoo cannot read",
            where=where,
            expected="the architecture.yaml that `reszoo build` or `reszoo train` put there",
            found=error.what,
            hint="open it with the version that wrote it, or write it again",
        ) from error


def _read_classes(archive: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    document = _read_mapping(archive, path, CLASSES_MEMBER)
    names = document.get("classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _damaged_file(path, f"{CLASSES_MEMBER} without a list of names")
    return tuple(names)


def readable_error(error: Exception, path: Path) -> UserError | MachineError:
    """Returns what a user should read of an error while a file was opened."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE_ERRNOS:
        reason = getattr(error, "strerror", None) or "not enough memory"
        return MachineError(
            f"cannot read {path}: {reason}",
            hint="free memory, or copy the file to another disk and read it there",
        )
    return _damaged_file(path, f"{type(error).__name__}: {first_line(error)}")


def _damaged_file(path: Path, found: str) -> UserError:
    return UserError(
        f"{path} is not a readable Keras model",
        expected="a .keras file as `reszoo build` and `reszoo train` write it",
        found=found,
        hint="it may be cut off or damaged: copy it again, or write it again",
    )
