"""Paths of a search into its base spec or its recipe: which fields they name, and their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reszoo.errors import Place, UserError, did_you_mean
from reszoo.spec.base import KeyPath, Value, format_path
from reszoo.spec.search_space import EACH, RECIPE, SHARED, Pattern


def expand(
    roots: Mapping[str, Value],
    pattern: Pattern,
    text: str,
    where: Place | str | None,
    key: str = "space",
) -> list[KeyPath]:
    """Returns the paths that a pattern stands for, each checked to be in the base or the recipe.

    `roots` are the documents by the first part of their paths: `recipe`, and the base's under "".

    Raises:
      UserError: the pattern names no field; `text` is the path as written under `key`.
    """
    prefix: KeyPath = (RECIPE,) if pattern[0] == RECIPE and len(pattern) > 1 else ()
    reached: list[tuple[KeyPath, Any]] = [(prefix, roots[RECIPE if prefix else ""])]
    for part in pattern[len(prefix) :]:
        reached = [
            step for path, value in reached for step in _step(path, value, part, text, where, key)
        ]
    return [path for path, _ in reached]


def value_at(value: Any, path: KeyPath) -> Any:
    """Returns the field of a spec at a path, or its default; None below a field that is None."""
    for part in path:
        if value is None:
            return None
        value = value[part] if isinstance(part, int) else getattr(value, part)
    return value


def value_in(roots: Mapping[str, Value], path: KeyPath) -> Any:
    """Returns what `value_at` returns, in the base or in the recipe; `roots` as in `expand`."""
    if path[0] == RECIPE:
        return value_at(roots[RECIPE], path[1:])
    return value_at(roots[""], path)


def with_value(mapping: Any, path: KeyPath, value: Any) -> Any:
    """Returns a spec's mapping with another value at a path, creating missing mappings before it.

    What does not change is shared with the mapping given, which stays as it is.
    """
    part, *rest = path
    if isinstance(mapping, list):
        changed: Any = list(mapping)
    elif isinstance(mapping, Mapping):
        changed = dict(mapping)
    else:
        # A plain string is short for its kind: `shortcut: projection`.
        changed = {} if mapping is None else {"kind": mapping}
    if rest:
        inner = changed[part] if isinstance(part, int) else changed.get(part)
        value = with_value(inner, tuple(rest), value)
    changed[part] = value
    return changed


def same(left: Any, right: Any) -> bool:
    """Returns whether two values have the same JSON; those of `1` and `true` differ."""
    return canonical_json(left) == canonical_json(right)


def canonical_json(value: Any) -> str:
    """Returns the JSON of a value with sorted keys."""
    return json.dumps(plain(value), sort_keys=True)


def plain(value: Any) -> Any:
    """Returns a value as dicts, lists and scalars, ready for JSON."""
    if isinstance(value, Value):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _step(
    path: KeyPath, value: Any, part: str | int, text: str, where: Place | str | None, key: str
) -> list[tuple[KeyPath, Any]]:
    document = "the recipe" if path[:1] == (RECIPE,) or text == RECIPE else "the base"
    if part in (SHARED, EACH) or isinstance(part, int):
        if not isinstance(value, tuple):
            raise UserError(
                f"'{text}' is not a path in {document}: {format_path(path)} is not a list",
                where=where,
                hint=f"write {format_path(path)} without brackets",
            )
        if isinstance(part, int) and part >= len(value):
            raise UserError(
                f"'{text}' is not a path in {document}",
                where=where,
                expected=f"{format_path(path)}[0] to {format_path(path)}[{len(value) - 1}]",
                found=f"{format_path(path)}[{part}]",
                hint=f"write {format_path(path)}[{len(value) - 1}] or {format_path(path)}[*]",
            )
        indices = [part] if isinstance(part, int) else range(len(value))
        return [((*path, index), value[index]) for index in indices]
    if value is None:
        # The base leaves this mapping to its default; its fields are checked by value.
        return [((*path, part), None)]
    fields = list(type(value).model_fields) if isinstance(value, Value) else []
    if part not in fields:
        raise UserError(
            f"'{text}' is not a path in {document}",
            where=where,
            expected=f"a field of {format_path(path) or 'a spec'}: {', '.join(fields)}"
            if fields
            else f"{format_path(path)} holds {value!r} and no fields",
            found=str(part),
            hint=did_you_mean(str(part), fields) or f"remove '{text}' from `{key}`",
        )
    return [((*path, part), getattr(value, part))]
