"""A value of a YAML file with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from reszoo.errors import Place
from reszoo.spec.base import KeyPath

Scalar = str | int | float | bool | None


class Node(NamedTuple):
    """A value with its place, and that of its key if it is in a mapping.

    A tuple of plain numbers, because a search makes thousands of them per second.
    """

    value: Scalar | dict[str, Node] | list[Node]
    file: str
    line: int | None = None
    column: int | None = None
    key_line: int | None = None
    key_column: int | None = None

    @property
    def place(self) -> Place:
        """Place of the value."""
        return Place(self.file, self.line, self.column)

    @property
    def key_place(self) -> Place:
        """Place of its key, or of the value if it has none."""
        if self.key_line is None:
            return self.place
        return Place(self.file, self.key_line, self.key_column)

    def plain(self) -> Any:
        """Returns the value without places: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
        """Yields this node and all nodes in it, with their paths."""
        yield path, self
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))


def describe(value: Any) -> str:
    """Describes a value for an error message: `the text 'abc'`, `a list of 3`, `0`."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 60 else value[:57] + '...'}'"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(str(key) for key in list(value)[:4])
        more = ", ..." if len(value) > 4 else ""
        return f"a mapping with the keys {keys}{more}" if value else "an empty mapping"
    return str(value)
