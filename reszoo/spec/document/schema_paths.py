"""Models and valid keys of a document by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from reszoo.spec.base import KeyPath


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Returns the class of the mapping at `path`, or None if that is no model."""
    models: list[type[BaseModel]] = [model]
    annotation: Any = model
    for part in path:
        if isinstance(part, str) and models:
            field = models[0].model_fields.get(part)
            annotation = field.annotation if field else None
        else:
            annotation = _item(annotation)
        models = list(_models(annotation))
    return models[0] if models else None


def _item(annotation: Any) -> Any:
    """The item type of a list, tuple or mapping type."""
    for branch in _branches(annotation):
        if get_origin(branch) in (list, tuple, dict, Mapping):
            return [argument for argument in get_args(branch) if argument is not Ellipsis][-1]
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for branch in _branches(annotation):
        if isinstance(branch, type) and issubclass(branch, BaseModel):
            yield branch


def _branches(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union type, without None and annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _branches(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for branch in get_args(annotation):
            yield from _branches(branch)
    elif annotation is not NoneType:
        yield annotation


def paths_with_key(model: type[BaseModel], key: str, path: str = "") -> Iterator[str]:
    """Yields the paths at which a key is valid: `stages[*]` for `depth`."""
    for name, field in model.model_fields.items():
        inner = f"{path}.{name}" if path else name
        for annotation, suffix in ((field.annotation, ""), (_item(field.annotation), "[*]")):
            for child in _models(annotation):
                if key in child.model_fields:
                    yield inner + suffix
                yield from paths_with_key(child, key, inner + suffix)
