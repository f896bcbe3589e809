"""How a name or a file becomes a validated document: find, read, extend, override, validate."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import ValidationError

from reszoo.errors import MachineError, Place, UserError, did_you_mean
from reszoo.resources import targets_folder, zoo_folder
from reszoo.spec.explain import explain
from reszoo.spec.resolve import SET, apply_overrides, resolve_extends
from reszoo.spec.value import Document, Path
from reszoo.spec.yaml_source import MOST_BYTES, Node, parse_document

if TYPE_CHECKING:
    from reszoo.spec.architecture import Architecture
    from reszoo.spec.recipe import Recipe
    from reszoo.spec.search import Search
    from reszoo.spec.target import Target

KINDS = ("architecture", "recipe", "search", "target")

_FOLDERS = {"recipe": "recipes", "search": "searches"}
_LIST_COMMAND = {"architecture": "reszoo list"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Why a field has its value: the file itself, a parent it extends, or a `--set`."""

    kind: Literal["file", "parent", "set"]
    place: Place

    def __str__(self) -> str:
        return f"{self.place} (parent)" if self.kind == "parent" else str(self.place)


@dataclass(frozen=True)
class Resolved:
    """A document with everything it extends and every override in it.

    Attributes:
      kind: architecture, recipe, search or target.
      file: the file that was asked for.
      document: the validated value.
      mapping: the merged mapping, without defaults.
      places: where each written value stands, by its path.
    """

    kind: str
    file: str
    document: Document
    mapping: Mapping[str, Any]
    places: Mapping[Path, Place]

    @cached_property
    def origins(self) -> dict[Path, Origin]:
        """The origin of each written value, by its path; what is not in it is a default."""
        return {path: Origin(self._kind_of(place), place) for path, place in self.places.items()}

    def _kind_of(self, place: Place) -> Literal["file", "parent", "set"]:
        if place.file.startswith(SET):
            return "set"
        return "file" if place.file == self.file else "parent"


def load(name_or_file: str | FilePath, overrides: Sequence[str] = ()) -> Architecture:
    """An architecture spec from the zoo or a file.

    Args:
      name_or_file: a name such as `resnet50`, or a path: anything with a `/` or ending in .yaml.
      overrides: `path=value` each, such as `stages[2].depth=23` or `stages[*].width=32`.

    Returns:
      The validated, frozen spec.

    Raises:
      UserError: there is no such spec, or what it says cannot be used.
      MachineError: the file cannot be read.

    Example:
      >>> load("resnet20", ["stages[*].depth=5"]).stages[0].depth
      5
    """
    return cast("Architecture", resolve(name_or_file, "architecture", overrides).document)


def load_recipe(name_or_file: str | FilePath, overrides: Sequence[str] = ()) -> Recipe:
    """A training recipe from `zoo_configs/recipes/` or a file; see `load`."""
    return cast("Recipe", resolve(name_or_file, "recipe", overrides).document)


def load_search(name_or_file: str | FilePath, overrides: Sequence[str] = ()) -> Search:
    """A search space from `zoo_configs/searches/` or a file; see `load`."""
    return cast("Search", resolve(name_or_file, "search", overrides).document)


def load_target(name_or_file: str | FilePath, overrides: Sequence[str] = ()) -> Target:
    """A device target from `export/targets/` or a file; see `load`."""
    return cast("Target", resolve(name_or_file, "target", overrides).document)


def resolve(
    name_or_file: str | FilePath, kind: str = "architecture", overrides: Sequence[str] = ()
) -> Resolved:
    """A document of any kind with the origin of each value; see `load`."""
    check_kind(kind)

    def read(name: str, folder: str | None, asked_at: Place | None) -> tuple[str, Node]:
        file = _find(name, kind, folder, asked_at)
        return file, parse_document(_read_bytes(file, asked_at), file)

    file, root = read(os.fspath(name_or_file), None, None)
    root = apply_overrides(resolve_extends(file, root, read), overrides)
    document = _validate(root, kind)
    places = {path: node.place for path, node in root.walk()}
    document._places.update(places)
    return Resolved(kind, file, document, root.plain(), places)


def from_mapping(mapping: Mapping[str, Any], kind: str = "architecture") -> Any:
    """The document a plain mapping describes, as `to_mapping` gives it.

    Raises:
      UserError: the mapping is no such document; the message names the field.
    """
    check_kind(kind)
    try:
        return document_class(kind).model_validate(dict(mapping))
    except ValidationError as error:
        raise explain(error, document_class(kind), kind, mapping, None) from None


def override(document: Document, overrides: Sequence[str]) -> Any:
    """The same document with `path=value` overrides applied, as `--set` does.

    Raises:
      UserError: an override does not parse, or the result is not valid.
    """
    from reszoo.spec.write import to_mapping

    root = apply_overrides(
        _as_node(to_mapping(document), Place(document_name(document))), overrides
    )
    return _validate(root, kind_of_document(document))


def architecture_names() -> list[str]:
    """Every architecture of the zoo, sorted."""
    return _names("architecture")


def recipe_names() -> list[str]:
    """Every recipe that travels with reszoo, sorted."""
    return _names("recipe")


def search_names() -> list[str]:
    """Every search that travels with reszoo, sorted."""
    return _names("search")


def target_names() -> list[str]:
    """Every export target that travels with reszoo, sorted."""
    return _names("target")


def family_of(name: str) -> str:
    """The family of a zoo architecture: the folder that holds it, such as `cifar`.

    Raises:
      UserError: the zoo has no architecture of that name.
    """
    return FilePath(_find(name, "architecture", None, None)).parent.name


def families() -> list[str]:
    """The families of the zoo's architectures, sorted."""
    return sorted(FilePath(folder).name for folder in _folders("architecture"))


def document_class(kind: str) -> type[Document]:
    """The class of a kind of document: `Architecture` for `architecture`."""
    return cast("type[Document]", getattr(import_module(f"reszoo.spec.{kind}"), kind.capitalize()))


def kind_of_document(document: Document) -> str:
    """The kind of a document: `architecture` for an `Architecture`."""
    return type(document).__name__.lower()


def document_name(document: Document) -> str:
    """The name of a document, for messages."""
    return str(getattr(document, "name", kind_of_document(document)))


def check_kind(kind: str) -> None:
    """Raises UserError for an unknown kind."""
    if kind not in KINDS:
        raise UserError(
            f"unknown kind '{kind}'", expected=", ".join(KINDS), hint=did_you_mean(kind, KINDS)
        )


def is_path(name: str) -> bool:
    """Whether a user means a file: anything with a slash or ending in .yaml or .yml."""
    return "/" in name or os.sep in name or name.lower().endswith((".yaml", ".yml"))


def _validate(root: Node, kind: str) -> Document:
    mapping = root.plain()
    try:
        return document_class(kind).model_validate(mapping)
    except ValidationError as error:
        raise explain(error, document_class(kind), kind, mapping, root) from None


def _as_node(value: Any, place: Place) -> Node:
    if isinstance(value, dict):
        return Node({key: _as_node(item, place) for key, item in value.items()}, place, place)
    if isinstance(value, list):
        return Node([_as_node(item, place) for item in value], place, place)
    return Node(value, place, place)


def _folders(kind: str) -> list[str]:
    if kind == "target":
        return [str(targets_folder())]
    if kind in _FOLDERS:
        return [str(zoo_folder() / _FOLDERS[kind])]
    try:
        with os.scandir(zoo_folder()) as entries:
            found = [one.path for one in entries if one.is_dir() and one.name[0] not in "._"]
    except FileNotFoundError:
        return []
    others = set(_FOLDERS.values())
    return sorted(one for one in found if os.path.basename(one) not in others)


def _names(kind: str) -> list[str]:
    return sorted(file.stem for one in _folders(kind) for file in FilePath(one).glob("*.yaml"))


def _find(name: str, kind: str, folder: str | None, asked_at: Place | None) -> str:
    """The file of a name or path; a path in `extends` is relative to the file that says it."""
    if is_path(name):
        return os.path.join(folder, name) if folder else name
    for one in _folders(kind):
        file = os.path.join(one, f"{name}.yaml")
        if os.path.isfile(file):
            return _shown(file)
    names = _names(kind)
    hint = did_you_mean(name.lower().replace("-", "").replace("_", ""), names)
    for suffix in (".yaml", ".yml", ""):
        if os.path.isfile(name + suffix):
            hint = f"for the file in this folder write ./{name}{suffix}"
            break
    command = _LIST_COMMAND.get(kind)
    raise UserError(
        f"there is no {kind} called '{name}'",
        where=asked_at,
        expected=f"a name from `{command}`, or a path with a / or ending in .yaml"
        if command
        else f"one of {', '.join(names)}; or a path with a / or ending in .yaml",
        found=f"'{name}'",
        hint=hint or (f"`{command}` shows every name" if command else None),
    )


def _shown(file: str) -> str:
    """A file of the package as messages show it: relative where it lies in this folder."""
    try:
        here = os.path.join(os.getcwd(), "")
    except OSError:
        return file
    return file[len(here) :] if file.startswith(here) else file


def _read_bytes(file: str, asked_at: Place | None) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"there is no file {file}",
            where=asked_at,
            expected="a YAML file, or a name from `reszoo list`",
            hint=_neighbour(file),
        ) from None
    except IsADirectoryError:
        raise UserError(
            f"{file} is a folder",
            where=asked_at,
            expected="a YAML file",
            hint="name a file in it",
        ) from None
    except ValueError:
        raise UserError(f"{file!r} is not a file name", where=asked_at) from None
    except OSError as error:
        raise MachineError(
            f"cannot read {file}: {error.strerror or error}", where=asked_at
        ) from None


def _neighbour(file: str) -> str | None:
    """A hint at a file of a similar name in the same folder."""
    folder, name = os.path.split(file)
    try:
        names = [one for one in os.listdir(folder or ".") if is_path(one)]
    except OSError:
        return f"the folder {folder} is not there either"
    return did_you_mean(name, names)
