"""The problems that pydantic finds in a document, grouped by value, with their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from reszoo.errors import Place
from reszoo.spec.base import SET_PREFIX, KeyPath
from reszoo.spec.document.yaml_node import Node

EXPECTED_TYPES = {
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


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One problem, with its path in the data instead of pydantic's location."""

    type: str
    path: KeyPath
    context: Mapping[str, Any]
    message: str
    found: Any
    in_union: bool
    on_key: bool
    """Whether the key at the end of the path is wrong, not its value."""


def group_problems(
    error: ValidationError, data: Mapping[str, Any], root: Node | None
) -> list[list[FieldProblem]]:
    """Returns the problems of each wrong value, in the order in which they are told."""
    groups = _one_per_value(
        [_problem(detail, data, root) for detail in error.errors(include_url=False)]
    )
    return sorted(groups, key=lambda group: _rank(group[0], root))


def _problem(detail: Any, data: Any, root: Node | None) -> FieldProblem:
    """Converts a pydantic error; branches of unions in its location are not part of the path."""
    path: list[str | int] = []
    current, in_union = data, False
    location = detail["loc"]
    on_key = detail["type"] == "extra_forbidden" or location[-1:] == ("[key]",)
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if holds(current, part):
            current = current[part]
        elif not (last and detail["type"] == "missing"):
            in_union = True
            continue
        path.append(part)
    context = detail.get("ctx") or {}
    # A rule on several fields is checked on the whole document, and names some of them.
    fields = [name for name in context.get("fields", ()) if holds(current, name)]
    if fields:
        field = max(fields, key=lambda name: _nearness(root, name))
        path.append(field)
        current = current[field]
    found = path[-1] if location[-1:] == ("[key]",) else current
    return FieldProblem(
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
    node = node_at(root, (field,))
    if root is None or node is None:
        return 0
    return 2 if node.file.startswith(SET_PREFIX) else int(node.file == root.file)


def _one_per_value(problems: list[FieldProblem]) -> list[list[FieldProblem]]:
    """Groups problems by value: a value that fits no branch of a union is one problem."""
    groups: dict[KeyPath, list[FieldProblem]] = {}
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


def _is_wrong_type(problem: FieldProblem) -> bool:
    """Whether the value has the wrong type, for the field or for a branch of its union."""
    return problem.type in EXPECTED_TYPES or (problem.type == "literal_error" and problem.in_union)


def _rank(problem: FieldProblem, root: Node | None) -> tuple[int, str, int, int]:
    """Sort key: unknown keys first (they often explain a missing one), then by place."""
    order = {"extra_forbidden": 0, "missing": 2}.get(problem.type, 1)
    place = place_of(root, problem) or Place("")
    return order, place.file, place.line or 0, place.column or 0


def holds(value: Any, part: str | int) -> bool:
    """Returns whether `value[part]` exists."""
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def node_at(root: Node | None, path: KeyPath) -> Node | None:
    """Returns the node at a path of a document; None if it is not from a file or has none."""
    for part in path:
        value: Any = root.value if root is not None else None
        root = value[part] if holds(value, part) else None
    return root


def place_of(root: Node | None, problem: FieldProblem) -> Place | None:
    """Returns the place of the wrong value or key, or of the nearest enclosing mapping."""
    if root is None:
        return None
    node = root
    for part in problem.path:
        value: Any = node.value
        if not holds(value, part):
            return node.place
        node = value[part]
    return node.key_place if problem.on_key else node.place
