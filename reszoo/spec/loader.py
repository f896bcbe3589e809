"""Loading of documents: read a name or file, resolve `extends`, apply overrides, validate."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pydantic import ValidationError

from reszoo.errors import Place
from reszoo.spec.base import SET_PREFIX, Document, KeyPath
from reszoo.spec.document.aliases import key_for
from reszoo.spec.document.overrides import (
    IDENTITY,
    MOST_EXTENDS,
    apply_overrides,
    resolve_extends,
)
from reszoo.spec.document.validation_errors import explain
from reszoo.spec.document.yaml_node import Node
from reszoo.spec.document.yaml_source import parse_document
from reszoo.spec.lookup import KINDS, document_class, find_file, names_of, read_bytes
from reszoo.spec.serialize import to_mapping

if TYPE_CHECKING:
    from reszoo.spec.architecture import Architecture
    from reszoo.spec.recipe import Recipe
    from reszoo.spec.search import Search
    from reszoo.spec.target import Target

AnyDocument = TypeVar("AnyDocument", bound=Document)


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a field's value: the file itself, a parent it extends, or a `--set`."""

    kind: Literal["file", "parent", "set"]
    place: Place

    def __str__(self) -> str:
        return f"{self.place} (extended)" if self.kind == "parent" else str(self.place)


@dataclass(frozen=True)
class ResolvedDocument:
    """A document with everything it extends and all overrides applied."""

    kind: str
    file: str
    document: Document
    mapping: Mapping[str, Any]
    """The merged mapping, without defaults."""
    places: Mapping[KeyPath, Place]
    """Place of each written value, by path."""

    @cached_property
    def origins(self) -> Mapping[KeyPath, Origin]:
        """Origin of each written value, by path; values without one are defaults."""
        return {path: Origin(self._kind_of(place), place) for path, place in self.places.items()}

    def _kind_of(self, place: Place) -> Literal["file", "parent", "set"]:
        if place.file.startswith(SET_PREFIX):
            return "set"
        return "file" if place.file == self.file else "parent"


def load(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Architecture:
    """Loads an architecture spec from the zoo or a file.

    Args:
      name_or_file: a name such as `resnet50`, or a path: anything with a `/` or ending in .yaml.
      overrides: strings `path=value`, such as `stages[2].depth=23` or `stages[*].width=32`.

    Returns:
      The validated, frozen spec.

    Raises:
      UserError: the spec does not exist or is invalid.
      MachineError: the file cannot be read.

    Examples:
      >>> load("resnet20", ["stages[*].depth=5"]).stages[0].depth
      5
    """
    return cast("Architecture", resolve(name_or_file, "architecture", overrides).document)


def load_recipe(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Loads a training recipe from `zoo_configs/recipes/` or a file; see `load`."""
    return cast("Recipe", resolve(name_or_file, "recipe", overrides).document)


def load_search(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Search:
    """Loads a search space from `zoo_configs/searches/` or a file; see `load`."""
    return cast("Search", resolve(name_or_file, "search", overrides).document)


def load_target(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Target:
    """Loads a device target from `export/targets/` or a file; see `load`."""
    return cast("Target", resolve(name_or_file, "target", overrides).document)


class DocumentReader:
    """Finds and parses files of one kind, each of them once: many networks extend the same ones."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._files: dict[tuple[str, Path | None], str] = {}
        self._roots: dict[str, Node] = {}

    def __call__(
        self, name: str, folder: Path | None = None, requested_at: Place | None = None
    ) -> tuple[str, Node]:
        """Returns the file of a name or path relative to a folder, and its content."""
        file = self._files.get((name, folder))
        if file is None:
            file = self._files[name, folder] = find_file(name, self.kind, folder, requested_at)
        if file not in self._roots:
            self._roots[file] = parse_document(read_bytes(file, requested_at), file)
        return file, self._roots[file]


def resolve(
    name_or_file: str | Path,
    kind: str = "architecture",
    overrides: Sequence[str] = (),
    *,
    read: DocumentReader | None = None,
) -> ResolvedDocument:
    """Loads a document of any kind, with the origin of each value; see `load`.

    Whoever loads many documents hands on one reader of their kind, which parses each file once.

    Examples:
      >>> resolved = resolve("resnet20", overrides=["stages[0].depth=5"])
      >>> str(resolved.origins["stages", 0, "depth"])
      '--set stages[0].depth=5'
    """
    model = document_class(kind)
    read = read or DocumentReader(kind)
    file, root = read(os.fspath(name_or_file))
    base = resolve_extends(file, root, read)
    root = apply_overrides(base, overrides)
    mapping = root.plain()
    document = _validate(mapping, model, kind, root, base)
    return ResolvedDocument(kind, file, document, mapping, document._places)


def from_mapping(mapping: Mapping[str, Any], kind: str = "architecture") -> Any:
    """Validates a plain mapping, such as one from `to_mapping`, as a document.

    Raises:
      UserError: the mapping is invalid; the message names the field.

    Examples:
      >>> from_mapping({"name": "mine", "quantization": "int8"}, "target").writes
      ('saved_model', 'tflite')
    """
    return _validate(dict(mapping), document_class(kind), kind, None)


def override(document: AnyDocument, overrides: Sequence[str]) -> AnyDocument:
    """Returns the document with `path=value` overrides applied, as `--set` does.

    Raises:
      UserError: an override cannot be parsed, or the result is invalid.

    Examples:
      >>> override(load("resnet20"), ["classes=100"]).classes
      100
    """
    base = _as_node(to_mapping(document), document, ())
    root = apply_overrides(base, overrides)
    return _validate(root.plain(), type(document), type(document).__name__.lower(), root, base)


def kind_of(file: str | Path) -> str:
    """Returns the kind of document in a file, the one that fits its keys and its parent best.

    Raises:
      UserError: the file does not exist or is not YAML.
      MachineError: the file cannot be read.
    """
    file = os.fspath(file)
    for _ in range(MOST_EXTENDS + 2):  # A circle of `extends` is reported when the file is loaded.
        root = cast("dict[str, Node]", parse_document(read_bytes(file), file).value)
        extends = root.get("extends")
        parent = extends.value if extends is not None else None
        fits = {kind: _fit(root, kind, parent) for kind in KINDS}
        # Within one key of the best: misspelt, it may be a key of another kind.
        likely = [
            kind
            for kind in sorted(KINDS, key=lambda kind: -fits[kind])
            if fits[kind] > max(fits.values()) - 1
        ]
        shipped = any(parent in names_of(kind) for kind in likely)
        if extends is None or not isinstance(parent, str) or len(likely) == 1 or shipped:
            break
        file = find_file(parent, likely[0], Path(file).parent, extends.place)
    return likely[0]


def _fit(root: Iterable[str], kind: str, parent: Any) -> float:
    """Counts the keys that a kind of document has, misspelt ones half, and a shipped parent."""
    fields = document_class(kind).model_fields
    fit = float(parent in names_of(kind))
    for key in set(root) - {"extends", *IDENTITY}:
        misspelt = key_for(key, kind) or difflib.get_close_matches(key, fields, cutoff=0.75)
        fit += 1 if key in fields else 0.5 * bool(misspelt)
    return fit


def _validate(
    mapping: dict[str, Any],
    model: type[AnyDocument],
    kind: str,
    root: Node | None,
    base: Node | None = None,
) -> AnyDocument:
    try:
        document = model.model_validate(mapping)
    except ValidationError as error:
        raise explain(error, model, kind, mapping, root, base) from None
    if root is not None:
        document._places.update({path: node.place for path, node in root.walk() if node.file})
    return document


def _as_node(value: Any, document: Document, path: KeyPath) -> Node:
    """A value of a document with its places; defaults have none."""
    if isinstance(value, dict):
        value = {key: _as_node(item, document, (*path, key)) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_as_node(item, document, (*path, index)) for index, item in enumerate(value)]
    place = document._places.get(path) or Place("")
    return Node(value, place.file, place.line, place.column)
