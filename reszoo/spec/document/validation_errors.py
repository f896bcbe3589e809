"""Validation errors: pydantic's problems with a document as one `UserError`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from reszoo.counted import counted
from reszoo.errors import Place, UserError, did_you_mean
from reszoo.spec.base import SET_PREFIX, KeyPath, format_path
from reszoo.spec.document.aliases import convert, image_shape, key_for, sibling_for, value_for
from reszoo.spec.document.schema_paths import model_at, paths_with_key
from reszoo.spec.document.yaml_node import Node, describe
from reszoo.spec.document.yaml_text import to_flow
from reszoo.spec.field_docs import field_docs

_TYPES = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
"""Expected value by pydantic's error type, for values of the wrong type."""

_LIMITS = {
    "greater_than": "a number above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "text like {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} in the list",
    "too_short": "at least {min_length} in the list",
}
"""Expected value by pydantic's error type, for values out of range."""

_SHORT = 60
"""Characters of a text or a mapping that is shown whole."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """One problem, with its path in the data instead of pydantic's location."""

    type: str
    path: KeyPath
    context: Mapping[str, Any]
    message: str
    found: Any
    in_union: bool
    on_key: bool
    """Whether the key at the end of the path is wrong, not its value."""


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
    problems = [_problem(detail, data, root) for detail in error.errors(include_url=False)]
    groups = _one_per_value(problems)
    groups.sort(key=lambda group: _rank(group[0], root))
    channels = _channels(data, base)
    errors = []
    explained: set[KeyPath] = set()
    for group in groups:
        if group[0].path in explained and group[0].type == "missing":
            continue
        if group[0].type == "extra_forbidden":
            meant = _meant_path(group[0].path, model, kind) or ()
            explained |= {meant[:length] for length in range(1, len(meant) + 1)}
            message = _unknown_key(group[0], model, kind, data, root, channels)
        elif group[0].type == "missing":
            message = _missing(group[0], model, kind, data, root)
        else:
            message = _wrong_value(group, root, channels)
        errors.append(UserError(message.pop("what"), **message))
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


def _problem(detail: Any, data: Any, root: Node | None) -> _Problem:
    """Converts a pydantic error; branches of unions in its location are not part of the path."""
    path: list[str | int] = []
    current, in_union = data, False
    location = detail["loc"]
    on_key = detail["type"] == "extra_forbidden" or location[-1:] == ("[key]",)
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if _holds(current, part):
            current = current[part]
        elif not (last and detail["type"] == "missing"):
            in_union = True
            continue
        path.append(part)
    context = detail.get("ctx") or {}
    # A rule on several fields is checked on the whole document, and names some of them.
    fields = [name for name in context.get("fields", ()) if _holds(current, name)]
    if fields:
        field = max(fields, key=lambda name: _nearness(root, name))
        path.append(field)
        current = current[field]
    found = path[-1] if location[-1:] == ("[key]",) else current
    return _Problem(
        type=detail["type"],
        path=tuple(path),
        context=context,
        message=detail["msg"],
        found=None if detail["type"] == "missing" else found,
        in_union=in_union,
        on_key=on_key,
    )


def _nearness(root: Node | None, field: str) -> int:
    """How near a field is to the reader: in `--set` (2), in the document (1), in a parent (0)."""
    node = _node(root, (field,))
    if root is None or node is None:
        return 0
    return 2 if node.file.startswith(SET_PREFIX) else int(node.file == root.file)


def _holds(value: Any, part: str | int) -> bool:
    """Whether `value[part]` exists."""
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _one_per_value(problems: list[_Problem]) -> list[list[_Problem]]:
    """Groups problems by value: a value that fits no branch of a union is one problem."""
    groups: dict[KeyPath, list[_Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.path, []).append(problem)
    result = []
    for path, group in groups.items():
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in groups)
        # Pydantic also calls a list too short whose items it refuses.
        if deeper and all(problem.in_union or problem.type == "too_short" for problem in group):
            continue
        result.append([problem for problem in group if not _is_wrong_type(problem)] or group)
    return result


def _is_wrong_type(problem: _Problem) -> bool:
    """Whether the value has the wrong type, for the field or for a branch of its union."""
    return problem.type in _TYPES or (problem.type == "literal_error" and problem.in_union)


def _rank(problem: _Problem, root: Node | None) -> tuple[int, str, int, int]:
    """Sort key: unknown keys first (they often explain a missing one), then by place."""
    order = {"extra_forbidden": 0, "missing": 2}.get(problem.type, 1)
    place = _place(root, problem) or Place("")
    return order, place.file, place.line or 0, place.column or 0


def _unknown_key(
    problem: _Problem,
    model: type[BaseModel],
    kind: str,
    data: Mapping[str, Any],
    root: Node | None,
    channels: int,
) -> dict[str, Any]:
    *around, key = problem.path
    owner = model_at(model, tuple(around))
    keys = list(owner.model_fields) if owner else []
    path = _meant_path(problem.path, model, kind)
    hint: str | None
    if path is not None:
        value = convert(tuple(map(str, path)), problem.found, channels)
        hint = _line_instead(problem.path, path, value, data, root)
    elif paths := list(dict.fromkeys(paths_with_key(model, str(key)))):
        hint = f"'{key}' is a key of {' and of '.join(paths[:3])}"
    else:
        hint = did_you_mean(str(key), keys)
    return {
        "what": f"unknown key '{key}' in {_owner_name(tuple(around), kind)}",
        "where": _place(root, problem),
        "expected": ", ".join(keys),
        "found": f"'{key}'",
        "hint": hint or "remove the key",
    }


def _meant_path(path: KeyPath, model: type[BaseModel], kind: str) -> KeyPath | None:
    """Path of the field that an unknown key stands for, if it is an alias."""
    *around, key = path
    owner = model_at(model, tuple(around))
    if owner and (field := sibling_for(str(key), list(owner.model_fields))):
        return (*around, field)
    return key_for(str(key), kind)


def _line_instead(
    alias: KeyPath, path: KeyPath, value: Any, data: Mapping[str, Any], root: Node | None
) -> str:
    """The line to write at `path` in place of the key at `alias`."""
    node = _node(root, alias)
    file = node.file if node is not None else None
    if file is not None and file.startswith(SET_PREFIX):
        return f"write `{format_path(path)}={to_flow(value)}` in its place"
    depth: int = 0
    current: Any = data
    while depth < len(path) and _holds(current, path[depth]):
        at = _node(root, path[: depth + 1])
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


def _node(root: Node | None, path: KeyPath) -> Node | None:
    for part in path:
        value: Any = root.value if root is not None else None
        root = value[part] if _holds(value, part) else None
    return root


def _missing(
    problem: _Problem, model: type[BaseModel], kind: str, data: Mapping[str, Any], root: Node | None
) -> dict[str, Any]:
    *around, key = problem.path
    where = _place(root, problem)
    if isinstance(key, int):
        return {
            "what": f"{format_path(tuple(around))} is too short",
            "where": where,
            "expected": f"a value for each index, including {format_path(problem.path)}",
            "found": _format_value(_at(data, tuple(around))),
            "hint": "add the missing values",
        }
    owner = model_at(model, tuple(around))
    description = field_docs(owner).get(str(key), "").split("\n")[0] if owner else ""
    return {
        "what": f"'{key}' is missing in {_owner_name(tuple(around), kind)}",
        "where": where,
        "expected": f"a line `{key}: ...`"
        + (f" ({description.rstrip('.')})" if description else ""),
        "found": describe(_at(data, tuple(around))),
        "hint": "`name` is never inherited: give the spec its own"
        if problem.path == ("name",)
        else f"add `{key}:`",
    }


def _wrong_value(group: list[_Problem], root: Node | None, channels: int) -> dict[str, Any]:
    problem = group[0]
    name = format_path(problem.path) or "the document"
    return {
        "what": f"{name} cannot be {_format_value(problem.found)}",
        "where": _place(root, problem),
        "expected": " or ".join(dict.fromkeys(_expected(problem) for problem in group)),
        "found": _format_value(problem.found),
        "hint": _hint(group, root, channels),
    }


def _expected(problem: _Problem) -> str:
    if problem.type == "too_short" and isinstance(problem.found, Mapping):
        return f"at least {counted(problem.context['min_length'], 'key')} with a value"
    if template := _LIMITS.get(problem.type):
        limits = {key: _number(value) for key, value in problem.context.items()}
        return template.format(**limits)
    if choices := _choices(problem):
        return ", ".join(choices[:-1]) + f" or {choices[-1]}" if len(choices) > 1 else choices[0]
    message = problem.message.removeprefix("Input should be ").removeprefix("Value error, ")
    return _TYPES.get(problem.type) or message


def _hint(group: list[_Problem], root: Node | None, channels: int) -> str:
    problem = group[0]
    choices = [choice for item in group for choice in _choices(item)]
    meant = value_for(problem.found, choices) if isinstance(problem.found, str) else None
    if problem.path == ("input", "shape"):
        shape = image_shape(problem.found, channels)
        meant = shape if shape != problem.found else None
    meant = problem.context.get("line", meant)
    if meant not in (None, ""):
        return f"write `{_line(problem.path, meant, root)}`"
    if hint := problem.context.get("hint"):
        return str(hint)
    close = did_you_mean(problem.found, choices) if isinstance(problem.found, str) else None
    if close and meant is None:
        return close
    if problem.found is None:
        return "give a value or remove the key; check that what belongs under it is indented"
    if choices and all(_choices(item) or item.type == "bool_type" for item in group):
        return f"write {choices[0]}" if len(group) == len(choices) == 1 else "choose one of them"
    if choices:
        return "write " + " or ".join(dict.fromkeys(map(_expected, group)))
    if isinstance(problem.found, str) and problem.found[:1].isdigit():
        return "write it without quotes or units"
    return _advice(problem, root)


def _advice(problem: _Problem, root: Node | None) -> str:
    """What to write for a value out of range or of the wrong type."""
    context = problem.context
    bound = context.get("ge", context.get("le"))
    if problem.type in ("greater_than_equal", "less_than_equal") and not problem.on_key:
        side = "more" if "ge" in context else "less"
        return f"write `{_line(problem.path, _number(bound), root)}` or {side}"
    if problem.type == "too_long":
        return f"remove all but {context['max_length']}"
    if problem.type == "too_short":
        if isinstance(problem.found, Mapping):
            return "add a line `KEY: VALUE`"
        return f"add values until there is {context['min_length']} or more"
    return f"write {_expected(problem)}"


def _line(path: KeyPath, value: Any, root: Node | None) -> str:
    """The line that gives the value at `path` another value, as a `--set` if it was one."""
    node = _node(root, path)
    if node is not None and node.file.startswith(SET_PREFIX):
        return f"{format_path(path)}={to_flow(value)}"
    return f"{path[-1]}: {to_flow(value)}" if isinstance(path[-1], str) else to_flow(value)


def _choices(problem: _Problem) -> list[str]:
    """The allowed words of a value, if it must be one of several."""
    if problem.type == "literal_error":
        return re.findall(r"'([^']*)'", problem.context["expected"]) or [
            str(problem.context["expected"])
        ]
    if problem.type == "unknown_name":
        return str(problem.context["choices"]).split(", ")
    if problem.type == "union_tag_invalid":
        return re.findall(r"'([^']*)'", problem.context["expected_tags"])
    return []


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _format_value(value: Any) -> str:
    """Formats a value for a message: short lists and mappings in full, others by `describe`."""
    if isinstance(value, list | tuple) and len(value) <= 8:
        return str(list(value))
    if isinstance(value, Mapping) and value and len(flow := to_flow(value)) <= _SHORT:
        return flow
    return f"'{value}'" if isinstance(value, str) and len(value) <= _SHORT else describe(value)


def _owner_name(path: KeyPath, kind: str) -> str:
    return format_path(path) if path else f"the {kind}"


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _place(root: Node | None, problem: _Problem) -> Place | None:
    """Place of the wrong value or key, or of the nearest enclosing mapping."""
    if root is None:
        return None
    node = root
    for part in problem.path:
        value: Any = node.value
        if not _holds(value, part):
            return node.place
        node = value[part]
    return node.key_place if problem.on_key else node.place
