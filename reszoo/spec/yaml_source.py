"""What stands in a YAML file, and where: text becomes plain values, each with its line and column.

Scalars follow YAML 1.2: `1e-4` and `4.1e9` are numbers, `yes` and `on` are text, `010` is ten.
Anything that could make a spec mean something else than it shows (anchors, tags, duplicate keys,
several documents) is refused with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from reszoo.errors import Place, UserError
from reszoo.spec.value import Path

Scalar = str | int | float | bool | None

MOST_BYTES = 1 << 20
"""A spec is a page; the largest file that is read as one."""

MOST_NESTED = 100
"""Deeper YAML is a mistake or an attack: libyaml recurses and would end the process."""

_WORDS: dict[str, Scalar] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_NOT_FINITE = re.compile(r"\.(inf|nan)", re.IGNORECASE)
_NUMBER_STARTS = frozenset("0123456789+-.")
_MOST_DIGITS = 400

_PLAIN, _QUOTED, _COLLECTION = "reszoo:plain", "reszoo:quoted", "reszoo:collection"
_TAGS = frozenset((_PLAIN, _QUOTED, _COLLECTION))


class Node(NamedTuple):
    """A value and where it was written, its key too where it stands in a mapping.

    A tuple of plain numbers, because a search makes thousands of them a second.
    """

    value: Scalar | dict[str, Node] | list[Node]
    file: str
    line: int | None = None
    column: int | None = None
    key_line: int | None = None
    key_column: int | None = None

    @property
    def place(self) -> Place:
        """Where the value stands."""
        return Place(self.file, self.line, self.column)

    @property
    def key_place(self) -> Place:
        """Where its key stands; the value, where it has none."""
        if self.key_line is None:
            return self.place
        return Place(self.file, self.key_line, self.key_column)

    def plain(self) -> Any:
        """The value without places: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """This node and everything in it, each with its path."""
        yield path, self
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))


def parse_document(data: bytes, file: str) -> Node:
    """The one mapping a YAML file holds.

    Raises:
      UserError: the file is empty, binary, not UTF-8, not YAML, or not one plain mapping.
    """
    text = _decode(data, file)
    node = _parse(text, file, offset=True)
    if node is None or node.value is None:
        raise UserError(
            f"{file} is empty",
            where=Place(file, 1, 1),
            expected="a mapping of keys and values",
            found="no values" if text.strip() else "nothing",
            hint="start from `reszoo show resnet20 --yaml`",
        )
    if not isinstance(node.value, dict):
        raise UserError(
            f"{file} does not hold a mapping",
            where=node.place,
            expected="a mapping of keys and values, such as `name: my_net`",
            found=describe(node.plain()),
            hint="start from `reszoo show resnet20 --yaml`",
        )
    return node


def parse_value(text: str, file: str) -> Node:
    """The value of one `--set`: YAML in one line. Every node's place is `file`."""
    node = _parse(text, file, offset=False)
    return node if node is not None else Node(None, file)


def describe(value: Any) -> str:
    """A value as an error message shows it: `the text 'abc'`, `a list of 3`, `0`."""
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


class _Loader(CParser):
    """libyaml's parser and composer with this file's idea of tags; it constructs nothing."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def resolve(self, kind: type, value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return _COLLECTION
        return _PLAIN if implicit[0] else _QUOTED

    def descend_resolver(self, parent: Any, index: Any) -> None:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise _TooDeep(parent)

    def ascend_resolver(self) -> None:
        self.depth -= 1


class _TooDeep(Exception):
    """The YAML nests deeper than any spec."""


def _decode(data: bytes, file: str) -> str:
    if len(data) > MOST_BYTES:
        raise UserError(
            f"{file} is too large for a spec",
            where=file,
            expected=f"at most {MOST_BYTES} bytes of YAML",
            found=f"more than {MOST_BYTES} bytes",
            hint="is this the right file?",
        )
    if b"\x00" in data:
        raise UserError(
            f"{file} is a binary file",
            where=_place_of(data[: data.index(b"\x00")], file),
            expected="YAML text in UTF-8",
            found="a zero byte",
            hint="is this the right file? If it is YAML, save it as UTF-8",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file} is not UTF-8 text",
            where=_place_of(data[: error.start], file),
            expected="YAML text in UTF-8",
            found=f"the byte 0x{data[error.start]:02x}",
            hint="save the file as UTF-8",
        ) from None


def _place_of(before: bytes, file: str) -> Place:
    text = before.decode("utf-8", errors="replace")
    return Place(file, text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)


def _parse(text: str, file: str, *, offset: bool) -> Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except _TooDeep as error:
        (parent,) = error.args
        raise UserError(
            "the YAML is nested too deep",
            where=_mark(parent.start_mark, file) if offset else file,
            expected=f"at most {MOST_NESTED} levels",
            found="more levels than that",
            hint="is this the right file?",
        ) from None
    except yaml.reader.ReaderError as error:
        raise _unreadable(error, text, file, offset) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, file, offset) from None
    finally:
        if loader is not None:
            loader.dispose()
    return _Builder(text, file, offset).build(root) if root is not None else None


class _Builder:
    """Turns composed nodes into `Node`s and refuses what a spec must not hold."""

    def __init__(self, text: str, file: str, offset: bool) -> None:
        self._text = text
        self._file = file
        self._offset = offset
        self._seen: set[yaml.Node] = set()

    def build(self, node: yaml.Node, key: yaml.Node | None = None) -> Node:
        """The node without YAML in it; `key` is its key in a mapping."""
        if node.tag not in _TAGS:
            self._refuse_tag(node)
        # One node is only met twice through an alias: libyaml shares the object.
        if node in self._seen:
            self._refuse_alias()
        self._seen.add(node)
        value: Scalar | dict[str, Node] | list[Node]
        if node.tag == _QUOTED:
            value = node.value
        elif isinstance(node, yaml.ScalarNode):
            value = self._scalar(node)
        elif isinstance(node, yaml.MappingNode):
            value = self._mapping(node)
        else:
            value = [self.build(item) for item in node.value]
        if not self._offset:
            return Node(value, self._file)
        mark = node.start_mark
        if key is None:
            return Node(value, self._file, mark.line + 1, mark.column + 1)
        at = key.start_mark
        return Node(value, self._file, mark.line + 1, mark.column + 1, at.line + 1, at.column + 1)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(
                    "a key must be a word",
                    where=self._place(key_node),
                    expected="a key such as `depth:`",
                    found="a list or a mapping as the key",
                    hint="check the brackets, and quote text that contains { or [",
                )
            if key_node.tag not in _TAGS:
                self._refuse_tag(key_node)
            key = key_node.value
            if key in mapping:
                raise UserError(
                    f"the key '{key}' is given twice",
                    where=self._place(key_node),
                    expected="each key once",
                    found=f"'{key}' already at {mapping[key].key_place}",
                    hint="keep one of the two",
                )
            mapping[key] = self.build(value_node, key_node)
        return mapping

    def _scalar(self, node: yaml.ScalarNode) -> Scalar:
        text: str = node.value
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMBER_STARTS:
            return text
        if _INTEGER.fullmatch(text):
            if len(text) > _MOST_DIGITS:
                raise UserError(
                    "this number is too large",
                    where=self._place(node),
                    expected=f"a number of at most {_MOST_DIGITS} digits",
                    found=f"{len(text)} digits",
                    hint="write a smaller number",
                )
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _FLOAT.fullmatch(text):
            return float(_NOT_FINITE.sub(r"\1", text))
        return text

    def _place(self, node: yaml.Node | yaml.Event) -> Place:
        return _mark(node.start_mark, self._file) if self._offset else Place(self._file)

    def _refuse_tag(self, node: yaml.Node) -> NoReturn:
        raise UserError(
            "YAML tags are not allowed in a spec",
            where=self._place(node),
            expected="plain text, numbers, lists and mappings",
            found=f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')}",
            hint="remove the tag; nothing in a spec is code",
        )

    def _refuse_alias(self) -> NoReturn:
        events = yaml.parse(self._text, Loader=yaml.CSafeLoader)
        alias = next(event for event in events if isinstance(event, yaml.AliasEvent))
        raise UserError(
            "YAML aliases are not allowed in a spec",
            where=self._place(alias),
            expected="each value written out",
            found=f"the alias *{alias.anchor}",
            hint="write the value out; use `extends` to share values between files",
        )


def _mark(mark: Any, file: str) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


def _unreadable(error: Any, text: str, file: str, offset: bool) -> UserError:
    character = error.character if isinstance(error.character, int) else ord(error.character)
    match = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    at = match.start() if match else 0
    return UserError(
        f"{file} holds a control character" if offset else "the value holds a control character",
        where=_place_of(text[:at].encode("utf-8", errors="replace"), file) if offset else file,
        expected="YAML text in UTF-8",
        found=f"the character U+{ord(match.group()) if match else character:04X}",
        hint="is this the right file? Remove the character",
    )


def _line(text: str, mark: Any) -> str:
    lines = text.split("\n")
    return lines[mark.line] if mark is not None and mark.line < len(lines) else ""


_SINGLE = "expected a single document in the stream"


def _syntax_error(error: Any, text: str, file: str, offset: bool) -> UserError:
    mark = error.problem_mark or error.context_mark
    where: Place | str = _mark(mark, file) if offset and mark is not None else file
    if error.context == _SINGLE:
        return UserError(
            "the file holds several YAML documents",
            where=where,
            expected="one document",
            found="a second one after `---`",
            hint="put each spec into a file of its own",
        )
    line = _line(text, mark)
    if "alias" in (error.problem or ""):
        return UserError(
            "YAML aliases are not allowed in a spec",
            where=where,
            expected="each value written out",
            found=f"an alias: {line.strip()}",
            hint="write the value out, and quote text that starts with * or &",
        )
    if mark is not None and "\t" in line[: mark.column + 1]:
        return UserError(
            "tabs cannot indent YAML",
            where=where,
            expected="spaces",
            found="a tab character",
            hint="replace each tab by two spaces",
        )
    context = f" {error.context}" if error.context else ""
    return UserError(
        "this is not valid YAML",
        where=where,
        expected="YAML such as `key: value`",
        found=f"{error.problem}{context}" + (f": {line.strip()[:60]}" if line.strip() else ""),
        hint="check the indentation, brackets, quotes and colons here and in the line above",
    )
