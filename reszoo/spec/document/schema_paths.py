"""Which keys are valid where: the models of a document by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from reszoo.spec.base import KeyPath


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The class of the mapping at `path`, or None where that is no model."""
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
    """The type of the items of a list, tuple or mapping type."""
    for one in _branches(annotation):
        if get_origin(one) in (list, tuple, dict, Mapping):
            return [argument for argument in get_args(one) if argument is not Ellipsis][-1]
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for one in _branches(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield one


def _branches(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without None and annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _branches(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            yield from _branches(one)
    elif annotation is not NoneType:
        yield annotation


def paths_with_key(model: type[BaseModel], key: str, path: str = "") -> Iterator[str]:
    """Where else in the document a key is valid: `stages[*]` for `depth`."""
    for name, field in model.model_fields.items():
        inner = f"{path}.{name}" if path else name
        for annotation, suffix in ((field.annotation, ""), (_item(field.annotation), "[*]")):
            for one in _models(annotation):
                if key in one.model_fields:
                    yield inner + suffix
                yield from paths_with_key(one, key, inner + suffix)
