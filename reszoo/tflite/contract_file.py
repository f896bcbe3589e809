"""The contract.json of a bundle: finding it, reading it, and checking files by its hashes."""

from __future__ import annotations

import hashlib
import os
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from reszoo.atomic_files import recover
from reszoo.errors import UserError, first_line
from reszoo.json_text import parse_json
from reszoo.tflite.model_file import MODEL_FILE

CONTRACT = "contract.json"
FORMAT, FORMAT_VERSION = "reszoo contract", 2
"""Format of contract.json; version 1 has no hashes."""
_HASHES_SINCE = 2


def is_bundle(path: Path) -> bool:
    """Whether a path is the folder of an exported bundle, which a killed export may have moved."""
    if not path.exists():
        recover(path)
    return (path / CONTRACT).is_file()


def find_tflite(target: Any) -> Path | None:
    """Returns the `.tflite` file that a target names or, as a bundle's folder, holds; else None."""
    if not isinstance(target, (str, os.PathLike)):
        return None
    path = Path(target)
    if path.suffix == ".tflite" and not path.is_dir():
        return path
    return path / MODEL_FILE if is_bundle(path) and (path / MODEL_FILE).is_file() else None


def read_contract(path: Path) -> dict[str, Any]:
    """Returns the content of a contract.json of this or an older format version.

    Raises:
      UserError: the file is damaged, or its version is not supported.
    """
    try:
        content = parse_json(path.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError(f"the format {content['format']!r}")
        if content["format_version"] > FORMAT_VERSION:
            raise UserError(
                f"{path} was written in a format that this reszoo does not know",
                expected=f"format version {FORMAT_VERSION} or older",
                found=str(content["format_version"]),
                hint="install a newer reszoo",
            )
        if has_hashes(content):
            dict(content["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_contract(path, error) from error
    return dict(content)


def damaged_contract(path: Path, error: Exception) -> UserError:
    """Returns the error for a contract that cannot be read."""
    return UserError(
        f"{path} is damaged",
        expected="the contract that `reszoo export` wrote",
        found=_words(error),
        hint="copy the bundle again, or export it again",
    )


def _words(error: Exception) -> str:
    """Says what a reader's exception means for the contract."""
    if isinstance(error, JSONDecodeError):
        return f"not JSON: {error}"
    if isinstance(error, KeyError) and isinstance(error.args[0], str):
        return f"no key {error.args[0]!r} where it belongs"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, KeyError | TypeError | AttributeError | IndexError):
        return f"a value of another kind than belongs there ({first_line(error)})"
    return first_line(error)


def has_hashes(contract: dict[str, Any]) -> bool:
    """Whether the contract's version has hashes."""
    return bool(contract["format_version"] >= _HASHES_SINCE)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_hash(file: Path, hashes: dict[str, str]) -> None:
    """Checks a file against the hashes of the contract beside it.

    Raises:
      UserError: the file is not the one that the contract describes.
    """
    digest = sha256_of(file)
    # A renamed file is looked up among all hashes.
    if digest not in ([hashes[file.name]] if file.name in hashes else hashes.values()):
        raise UserError(
            f"{file} is damaged, or is not the file that its contract describes",
            where=str(file.with_name(CONTRACT)),
            expected=f"SHA-256 {hashes.get(file.name, 'of a file of the bundle')}",
            found=f"SHA-256 {digest}",
            hint="copy the bundle again, or export it again; a file that was changed on purpose "
            "is used in a folder without contract.json",
        )
