"""Bounds-checked reading of FlatBuffers, for files that may be damaged or made to deceive.

The generated Python classes follow every offset and count in a file, so that one flipped bit can
read memory from the wrong end of the file or loop four billion times. Here every position is
checked, and a file of n bytes yields at most 2n elements before it is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

_SIZES = {"B": 1, "b": 1, "?": 1, "H": 2, "I": 4, "i": 4, "f": 4, "Q": 8, "q": 8}
_HEADER_BYTES = 8


class FlatbufferError(ValueError):
    """A file is no FlatBuffer of the expected kind, or is damaged."""


@dataclass
class _Source:
    """The bytes of a file, and how many elements may still be read from them."""

    content: bytes
    budget: int = field(init=False)

    def __post_init__(self) -> None:
        # The elements of an honest file do not overlap, except for strings and vtables it shares.
        self.budget = 2 * len(self.content) + 64

    def number(self, code: str, position: int) -> Any:
        if not 0 <= position <= len(self.content) - _SIZES[code]:
            raise FlatbufferError(f"an offset points to byte {position:,} of {len(self.content):,}")
        return struct.unpack_from(f"<{code}", self.content, position)[0]

    def spend(self, elements: int) -> None:
        self.budget -= elements
        if self.budget < 0:
            raise FlatbufferError("it names more elements than it has bytes")


@dataclass(frozen=True)
class FlatbufferTable:
    """One table of a FlatBuffer. Fields are numbered in the order of the schema, from 0.

    Every method raises `FlatbufferError` where the file points outside of itself.
    """

    source: _Source
    position: int
    """Of the table, in bytes from the start of the file."""

    def number(self, slot: int, code: str, default: Any = 0) -> Any:
        """Returns a scalar field; `code` is that of `struct`."""
        position = self.field_position(slot)
        return default if position is None else self.source.number(code, position)

    def table(self, slot: int) -> FlatbufferTable | None:
        """Returns a field that is a table."""
        position = self.field_position(slot)
        return None if position is None else self._table_at(position)

    def tables(self, slot: int) -> list[FlatbufferTable]:
        """Returns a field that is a vector of tables, empty where it is missing."""
        start, count = self._vector(slot, 4)
        return [self._table_at(start + 4 * index) for index in range(count)]

    def numbers(self, slot: int, code: str) -> tuple[Any, ...]:
        """Returns a field that is a vector of scalars, empty where it is missing."""
        start, count = self._vector(slot, _SIZES[code])
        return struct.unpack_from(f"<{count}{code}", self.source.content, start)

    def octets(self, slot: int) -> memoryview:
        """Returns a field that is a vector of bytes, without copying it."""
        position = self.field_position(slot)
        if position is None:
            return memoryview(b"")
        start, count = self._vector_at(position, 1)
        return memoryview(self.source.content)[start : start + count]

    def text(self, slot: int) -> str:
        """Returns a field that is a string; what is not UTF-8 is replaced."""
        octets = self.octets(slot)
        self.source.spend(len(octets))
        return bytes(octets).decode(errors="replace")

    def field_position(self, slot: int) -> int | None:
        """Returns where a field is stored; None where the table does not have it."""
        number = self.source.number
        vtable = self.position - number("i", self.position)
        entry = 4 + 2 * slot
        if entry + 2 > number("H", vtable):
            return None
        offset = number("H", vtable + entry)
        return self.position + offset if offset else None

    def _table_at(self, position: int) -> FlatbufferTable:
        self.source.spend(1)
        return FlatbufferTable(self.source, position + self.source.number("I", position))

    def _vector(self, slot: int, size: int) -> tuple[int, int]:
        position = self.field_position(slot)
        if position is None:
            return 0, 0
        start, count = self._vector_at(position, size)
        self.source.spend(count)
        return start, count

    def _vector_at(self, position: int, size: int) -> tuple[int, int]:
        """Returns where the elements of a vector begin, and their number."""
        start = position + self.source.number("I", position)
        count = self.source.number("I", start)
        if start + 4 + count * size > len(self.source.content):
            raise FlatbufferError(f"a list of {count:,} elements is longer than the file")
        return start + 4, count


def root_table(content: bytes, identifier: bytes) -> FlatbufferTable:
    """Returns the root of a FlatBuffer whose bytes 4 to 7 are `identifier`.

    Raises:
      FlatbufferError: the identifier is another one, or the file is too short to have one.
    """
    found = bytes(content[4:_HEADER_BYTES])
    if found != identifier:
        raise FlatbufferError(f"bytes 4 to 7 are {found!r}, not {identifier!r}")
    source = _Source(content)
    return FlatbufferTable(source, source.number("I", 0))
