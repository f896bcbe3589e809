"""Lookup of spec files by name or path: the zoo's folders and the kinds of files in them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from reszoo.errors import MachineError, Place, UserError, did_you_mean
from reszoo.path_hints import missing_path_hint, unreadable_hint
from reszoo.regular_files import require_regular_file
from reszoo.resources import targets_folder, zoo_folder
from reszoo.spec.base import Document
from reszoo.spec.document.yaml_errors import MOST_BYTES
from reszoo.spec.saved_spec import archive_of, read_saved_spec, saved_spec

KINDS = ("architecture", "recipe", "search", "target")

_FOLDERS = {"recipe": "recipes", "search": "searches"}


def names_of(kind: str) -> list[str]:
    """Sorted names of the shipped documents of a kind: architecture, recipe, search or target."""
    return sorted(file.stem for folder in _folders(kind) for file in folder.glob("*.yaml"))


def families() -> list[str]:
    """Sorted families of the zoo's architectures, such as `cifar` and `imagenet`."""
    return [folder.name for folder in _folders("architecture")]


def family_of(name: str) -> str:
    """Returns the family of a zoo architecture, the folder of its file.

    Raises:
      UserError: the zoo has no architecture of that name.

    Examples:
      >>> family_of("resnet20")
      'cifar'
    """
    return Path(find_file(name, "architecture")).parent.name


_COMMANDS = {
    "architecture": "reszoo train {name}",
    "recipe": "reszoo train NETWORK --recipe {name}",
    "search": "reszoo tune {name}",
    "target": "reszoo export RUN --target {name}",
}
"""What takes a shipped name of each kind."""


def document_class(kind: str) -> type[Document]:
    """Returns the class of a kind of document: `Architecture` for `architecture`."""
    if kind not in KINDS:
        raise UserError(
            f"there is no kind of spec called '{kind}'",
            expected=", ".join(KINDS),
            found=f"'{kind}'",
            hint=did_you_mean(kind, KINDS) or "write one of these",
        )
    # By name, so that reading an architecture does not wait for the other kinds.
    return cast("type[Document]", getattr(import_module(f"reszoo.spec.{kind}"), kind.capitalize()))


def is_path(name: str) -> bool:
    """Whether a name is a path: it has a slash or ends in .yaml or .yml."""
    return "/" in name or "\\" in name or name.lower().endswith((".yaml", ".yml"))


def find_file(
    name: str, kind: str, folder: Path | None = None, requested_at: Place | None = None
) -> str:
    """Returns the file of a shipped name or of a path, which need not exist; see `is_path`.

    A relative path starts at `folder`, which defaults to the current one. A name that is not
    shipped is that of a file in `folder`. An unknown name raises a UserError with the nearest
    names, whose place is `requested_at`.
    """
    if is_path(name):
        return str(folder / name if folder else Path(name))
    for zoo in _folders(kind):
        file = zoo / f"{name}.yaml"
        if file.is_file():
            return _display_path(file)
    if folder is not None:
        for suffix in (".yaml", ".yml"):
            if _is_file(beside := f"{folder / name}{suffix}"):
                return beside
    raise _unknown_name(name, kind, requested_at)


def read_bytes(file: str, requested_at: Place | None = None) -> bytes:
    """Reads a file, or the spec in a .keras file, up to one byte more than a spec may have."""
    if (archive := archive_of(file)) is not None:
        return read_saved_spec(archive, requested_at)
    require_regular_file(file, requested_at)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"there is no file {file}",
            where=requested_at,
            expected="a YAML file, or a name from `reszoo list`",
            found="no file of this name",
            hint=_similar_file_hint(Path(file)),
        ) from None
    except IsADirectoryError:
        raise UserError(
            f"{file} is a folder",
            where=requested_at,
            expected="a YAML file",
            found="a folder",
            hint="name a file in it",
        ) from None
    except ValueError:
        what = "a file name cannot hold a zero byte"
        hint = "name the file without it"
        raise UserError(what, where=requested_at, found=repr(file), hint=hint) from None
    except OSError as error:
        raise MachineError(
            f"cannot read {file}: {error.strerror or error}",
            where=requested_at,
            hint=unreadable_hint(error, file),
        ) from None


def _folders(kind: str) -> list[Path]:
    if kind == "target":
        return [targets_folder()]
    if kind != "architecture":
        return [zoo_folder() / _FOLDERS[kind]]
    others = set(_FOLDERS.values())
    try:
        return sorted(
            folder
            for folder in zoo_folder().iterdir()
            if folder.name not in others and folder.name[0] not in "._" and folder.is_dir()
        )
    except FileNotFoundError:
        return []


def _display_path(file: Path) -> str:
    """A file of the package for messages: relative if it lies below the current folder."""
    try:
        here = f"{Path.cwd()}/"
    except OSError:
        return str(file)
    return str(file).removeprefix(here)


def _unknown_name(name: str, kind: str, requested_at: Place | None) -> UserError:
    known = names_of(kind)
    plain = name.lower().replace("-", "").replace(" ", "")
    if name.endswith(".keras") and _is_file(name):
        hint: str | None = f"the spec in this file is {saved_spec(name)}"
    elif suffixes := [suffix for suffix in (".yaml", ".yml", "") if _is_file(name + suffix)]:
        hint = f"for the file in this folder write ./{name}{suffixes[0]}"
    else:
        hint = _other_kind_hint(name, kind) or did_you_mean(plain, known)
    if kind == "architecture":
        expected = "a name from `reszoo list`, or a path with a / or ending in .yaml"
        hint = hint or "`reszoo list` shows every name"
    else:
        expected = f"{', '.join(known) or 'none is there yet'}; or a path ending in .yaml"
        hint = hint or ("write one of these names" if known else "write the path of a file")
    return UserError(
        f"there is no {kind} called '{name}'",
        where=requested_at,
        expected=expected,
        found=f"'{name}'",
        hint=hint,
    )


def _other_kind_hint(name: str, kind: str) -> str | None:
    """The command that takes a shipped name which is of another kind than the one asked for."""
    for other, command in _COMMANDS.items():
        if other != kind and name in names_of(other):
            return f"{name} is of the kind {other}: `{command.format(name=name)}` takes it"
    return None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:
        return False


def _similar_file_hint(file: Path) -> str:
    """A hint at a file of similar name in the same folder."""
    try:
        neighbours = [path.name for path in file.parent.iterdir() if is_path(path.name)]
    except OSError:
        return missing_path_hint(file)
    return did_you_mean(file.name, neighbours) or missing_path_hint(file)
