"""Validation errors: pydantic's problems with a document as one `UserError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from reszoo.errors import UserError
from reszoo.spec.base import KeyPath
from reszoo.spec.document.field_problems import group_problems
from reszoo.spec.document.key_errors import meant_path, missing_key, unknown_key
from reszoo.spec.document.value_errors import wrong_value
from reszoo.spec.document.yaml_node import Node


def explain(
    error: ValidationError,
    model: type[BaseModel],
    kind: str,
    data: Mapping[str, Any],
    root: Node | None,
    base: Node | None = None,
) -> UserError:
    """Returns the first problem of a document as an error that counts the others and has them.

    `root` is `data` with its places, or None if it is not from a file; `base` is the document
    before overrides.
    """
    channels = _channels(data, base)
    errors = []
    explained: set[KeyPath] = set()
    for group in group_problems(error, data, root):
        problem = group[0]
        if problem.path in explained and problem.type == "missing":
            continue
        if problem.type == "extra_forbidden":
            meant = meant_path(problem.path, model, kind) or ()
            explained |= {meant[:length] for length in range(1, len(meant) + 1)}
            errors.append(unknown_key(problem, model, kind, data, root, channels))
        elif problem.type == "missing":
            errors.append(missing_key(problem, model, kind, data, root))
        else:
            errors.append(wrong_value(group, root, channels))
    first, *others = errors
    if others:
        first.what += f" (and {len(others)} more problem{'s' if len(others) > 1 else ''})"
        first.others = tuple(others)
    return first


def _channels(data: Mapping[str, Any], base: Node | None) -> int:
    """Channels of the input, of the document before overrides if there they are lost; else 3."""
    for document in (data, base.plain() if base is not None else {}):
        image = document.get("input")
        shape = image.get("shape") if isinstance(image, Mapping) else None
        if isinstance(shape, list | tuple) and len(shape) == 3:
            return int(shape[2]) if isinstance(shape[2], int) else 3
    return 3
