"""Errors about values of a document: of the wrong type, out of range, or not among the choices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reszoo.counted import counted
from reszoo.errors import UserError, did_you_mean
from reszoo.spec.base import SET_PREFIX, KeyPath, format_path
from reszoo.spec.document.aliases import image_shape, value_for
from reszoo.spec.document.field_problems import EXPECTED_TYPES, FieldProblem, node_at, place_of
from reszoo.spec.document.yaml_node import Node, describe
from reszoo.spec.document.yaml_text import to_flow

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


def wrong_value(group: list[FieldProblem], root: Node | None, channels: int) -> UserError:
    """Returns the error for a value with the problems of a group."""
    problem = group[0]
    name = format_path(problem.path) or "the document"
    return UserError(
        f"{name} cannot be {format_value(problem.found)}",
        where=place_of(root, problem),
        expected=" or ".join(dict.fromkeys(_expected(problem) for problem in group)),
        found=format_value(problem.found),
        hint=_hint(group, root, channels),
    )


def _expected(problem: FieldProblem) -> str:
    if problem.type == "too_short" and isinstance(problem.found, Mapping):
        return f"at least {counted(problem.context['min_length'], 'key')} with a value"
    if template := _LIMITS.get(problem.type):
        limits = {key: _number(value) for key, value in problem.context.items()}
        return template.format(**limits)
    if choices := _choices(problem):
        return ", ".join(choices[:-1]) + f" or {choices[-1]}" if len(choices) > 1 else choices[0]
    message = problem.message.removeprefix("Input should be ").removeprefix("Value error, ")
    return EXPECTED_TYPES.get(problem.type) or message


def _hint(group: list[FieldProblem], root: Node | None, channels: int) -> str:
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


def _advice(problem: FieldProblem, root: Node | None) -> str:
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
    node = node_at(root, path)
    if node is not None and node.file.startswith(SET_PREFIX):
        return f"{format_path(path)}={to_flow(value)}"
    return f"{path[-1]}: {to_flow(value)}" if isinstance(path[-1], str) else to_flow(value)


def _choices(problem: FieldProblem) -> list[str]:
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


def format_value(value: Any) -> str:
    """Formats a value for a message: short lists and mappings in full, others by `describe`."""
    if isinstance(value, list | tuple) and len(value) <= 8:
        return str(list(value))
    if isinstance(value, Mapping) and value and len(flow := to_flow(value)) <= _SHORT:
        return flow
    return f"'{value}'" if isinstance(value, str) and len(value) <= _SHORT else describe(value)
