"""Errors about keys of a document: unknown ones and missing ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from reszoo.errors import UserError, did_you_mean
from reszoo.spec.base import SET_PREFIX, KeyPath, format_path
from reszoo.spec.document.aliases import convert, key_for, sibling_for
from reszoo.spec.document.field_problems import FieldProblem, holds, node_at, place_of
from reszoo.spec.document.schema_paths import model_at, paths_with_key
from reszoo.spec.document.value_errors import format_value
from reszoo.spec.document.yaml_node import Node, describe
from reszoo.spec.document.yaml_text import to_flow
from reszoo.spec.field_docs import field_docs


def unknown_key(
    problem: FieldProblem,
    model: type[BaseModel],
    kind: str,
    data: Mapping[str, Any],
    root: Node | None,
    channels: int,
) -> UserError:
    """Returns the error for an unknown key; `channels` are those of the input."""
    *around, key = problem.path
    owner = model_at(model, tuple(around))
    keys = list(owner.model_fields) if owner else []
    path = meant_path(problem.path, model, kind)
    hint: str | None
    if path is not None:
        value = convert(tuple(map(str, path)), problem.found, channels)
        hint = _line_instead(problem.path, path, value, data, root)
    elif paths := list(dict.fromkeys(paths_with_key(model, str(key)))):
        hint = f"'{key}' is a key of {' and of '.join(paths[:3])}"
    else:
        hint = did_you_mean(str(key), keys)
    return UserError(
        f"unknown key '{key}' in {_owner_name(tuple(around), kind)}",
        where=place_of(root, problem),
        expected=", ".join(keys),
        found=f"'{key}'",
        hint=hint or "remove the key",
    )


def meant_path(path: KeyPath, model: type[BaseModel], kind: str) -> KeyPath | None:
    """Returns the path of the field that an unknown key stands for, if it is an alias."""
    *around, key = path
    owner = model_at(model, tuple(around))
    if owner and (field := sibling_for(str(key), list(owner.model_fields))):
        return (*around, field)
    return key_for(str(key), kind)


def _line_instead(
    alias: KeyPath, path: KeyPath, value: Any, data: Mapping[str, Any], root: Node | None
) -> str:
    """The line to write at `path` in place of the key at `alias`."""
    node = node_at(root, alias)
    file = node.file if node is not None else None
    if file is not None and file.startswith(SET_PREFIX):
        return f"write `{format_path(path)}={to_flow(value)}` in its place"
    depth: int = 0
    current: Any = data
    while depth < len(path) and holds(current, path[depth]):
        at = node_at(root, path[: depth + 1])
        if at is not None and at.file != file:  # a parent's, which this file may override
            break
        current, depth = current[path[depth]], depth + 1
    if depth == len(path):
        return f"remove it: `{format_path(path)}` is set as well"
    replaced = "in its place"
    if isinstance(current, str):  # an abbreviated `kind`
        depth, value = depth - 1, {"kind": current, **_nest(path[depth:], value)}
        path = path[: depth + 1]
        replaced = f"in place of it and of `{path[-1]}: {current}`"
    line = to_flow(_nest(path[depth:], value))[1:-1]
    under = f" under `{format_path(path[:depth])}`" if depth and path[:depth] != alias[:-1] else ""
    return f"write `{line}`{under} {replaced}"


def _nest(path: KeyPath, value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def missing_key(
    problem: FieldProblem,
    model: type[BaseModel],
    kind: str,
    data: Mapping[str, Any],
    root: Node | None,
) -> UserError:
    """Returns the error for a key, or an index, that a document lacks."""
    *around, key = problem.path
    where = place_of(root, problem)
    if isinstance(key, int):
        return UserError(
            f"{format_path(tuple(around))} is too short",
            where=where,
            expected=f"a value for each index, including {format_path(problem.path)}",
            found=format_value(_at(data, tuple(around))),
            hint="add the missing values",
        )
    owner = model_at(model, tuple(around))
    description = field_docs(owner).get(str(key), "").split("\n")[0] if owner else ""
    inherited = "`name` is never inherited: give the spec its own"
    return UserError(
        f"'{key}' is missing in {_owner_name(tuple(around), kind)}",
        where=where,
        expected=f"a line `{key}: ...`" + (f" ({description.rstrip('.')})" if description else ""),
        found=describe(_at(data, tuple(around))),
        hint=inherited if problem.path == ("name",) else f"add `{key}:`",
    )


def _owner_name(path: KeyPath, kind: str) -> str:
    return format_path(path) if path else f"the {kind}"


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data
