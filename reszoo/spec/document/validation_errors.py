"""Validation errors: pydantic's problems with a document as one `UserError`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from reszoo.errors import Place, UserError, did_you_mean
from reszoo.spec.base import KeyPath, format_path
from reszoo.spec.document.schema_paths import model_at, paths_with_key
from reszoo.spec.document.yaml_node import Node, describe

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
) -> UserError:
    """Returns the first problem of a document as an error that counts the others.

    `root` is `data` with its places, or None if it is not from a file.
    """
    problems = [_problem(detail, data) for detail in error.errors(include_url=False)]
    groups = _one_per_value(problems)
    groups.sort(key=lambda group: _rank(group[0], root))
    first = groups[0]
    if first[0].type == "extra_forbidden":
        message = _unknown_key(first[0], model, kind, root)
    elif first[0].type == "missing":
        message = _missing(first[0], model, kind, data, root)
    else:
        message = _wrong_value(first, root)
    if more := len(groups) - 1:
        message["what"] += f" (and {more} more problem{'s' if more > 1 else ''})"
    return UserError(message.pop("what"), **message)


def _problem(detail: Any, data: Any) -> _Problem:
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
    found = path[-1] if location[-1:] == ("[key]",) else current
    return _Problem(
        type=detail["type"],
        path=tuple(path),
        context=detail.get("ctx") or {},
        message=detail["msg"],
        found=None if detail["type"] == "missing" else found,
        in_union=in_union,
        on_key=on_key,
    )


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
    problem: _Problem, model: type[BaseModel], kind: str, root: Node | None
) -> dict[str, Any]:
    *around, key = problem.path
    owner = model_at(model, tuple(around))
    keys = list(owner.model_fields) if owner else []
    hint = did_you_mean(str(key), keys)
    if paths := list(dict.fromkeys(paths_with_key(model, str(key)))):
        hint = f"'{key}' is a key of {' and of '.join(paths[:3])}"
    return {
        "what": f"unknown key '{key}' in {_owner_name(tuple(around), kind)}",
        "where": _place(root, problem),
        "expected": ", ".join(keys),
        "found": f"'{key}'",
        "hint": hint or "remove the key",
    }


def _missing(
    problem: _Problem, model: type[BaseModel], kind: str, data: Mapping[str, Any], root: Node | None
) -> dict[str, Any]:
    *around, key = problem.path
    where = _place(root, problem)
    if isinstance(key, int):
        return {
            "what": f"{format_path(tuple(around))} is too short",
            "where": where,
            "expected": f"a value for each place, {format_path(problem.path)} too",
            "found": _format_value(_at(data, tuple(around))),
            "hint": "add the missing values",
        }
    owner = model_at(model, tuple(around))
    field = owner.model_fields.get(str(key)) if owner else None
    description = (field.description or "").split("\n")[0] if field else ""
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


def _wrong_value(group: list[_Problem], root: Node | None) -> dict[str, Any]:
    problem = group[0]
    name = format_path(problem.path) or "the document"
    return {
        "what": f"{name} cannot be {_format_value(problem.found)}",
        "where": _place(root, problem),
        "expected": " or ".join(dict.fromkeys(_expected(problem) for problem in group)),
        "found": _format_value(problem.found),
        "hint": _hint(group),
    }


def _expected(problem: _Problem) -> str:
    if template := _LIMITS.get(problem.type):
        limits = {key: _number(value) for key, value in problem.context.items()}
        return template.format(**limits)
    if choices := _choices(problem):
        return ", ".join(choices[:-1]) + f" or {choices[-1]}" if len(choices) > 1 else choices[0]
    message = problem.message.removeprefix("Input should be ").removeprefix("Value error, ")
    return _TYPES.get(problem.type) or message


def _hint(group: list[_Problem]) -> str:
    problem = group[0]
    if hint := problem.context.get("hint"):
        return str(hint)
    choices = [choice for item in group for choice in _choices(item)]
    if isinstance(problem.found, str) and (close := did_you_mean(problem.found, choices)):
        return close
    if problem.found is None:
        return "give a value or remove the key; check that what belongs under it is indented"
    if choices:
        return "choose one of them"
    if isinstance(problem.found, str) and problem.type in ("int_type", "float_type", "bool_type"):
        return "write it without quotes or units"
    return "correct the value"


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
    """Formats a value for a message: short lists in full, everything else by `describe`."""
    if isinstance(value, list | tuple) and len(value) <= 8:
        return str(list(value))
    return f"'{value}'" if isinstance(value, str) and len(value) <= 60 else describe(value)


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
