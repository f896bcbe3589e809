"""Parsing of YAML into plain values with line and column.

Scalars follow YAML 1.2: `1e-4` and `4.1e9` are numbers, `yes` and `on` are text, `010` is ten.
Anything that could hide the meaning of a spec (anchors, tags, duplicate keys, several documents) is
refused with its place.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from reszoo.errors import Place, UserError
from reszoo.spec.document.yaml_errors import (
    control_character_error,
    decode,
    mark_place,
    syntax_error,
)
from reszoo.spec.document.yaml_node import Node, Scalar, describe

MOST_NESTED = 100
"""Largest nesting of YAML: libyaml recurses, and deeper input would crash the process."""

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


def parse_document(data: bytes, file: str) -> Node:
    """Parses a YAML file that holds one mapping.

    Raises:
      UserError: the file is empty, binary, not UTF-8, not YAML, or not one plain mapping.
    """
    text = decode(data, file)
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
    """Parses the value of a `--set`, one line of YAML. The place of every node is `file`."""
    node = _parse(text, file, offset=False)
    return node if node is not None else Node(None, file)


class _Loader(CParser):
    """libyaml's parser and composer with our own tags; it constructs no objects."""

    depth = 0

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


def _parse(text: str, file: str, *, offset: bool) -> Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except _TooDeep as error:
        (parent,) = error.args
        raise UserError(
            "the YAML is nested too deeply",
            where=mark_place(parent.start_mark, file) if offset else file,
            expected=f"at most {MOST_NESTED} levels",
            found="more levels than that",
            hint="remove the lists or mappings that hold nothing but another one",
        ) from None
    except yaml.reader.ReaderError as error:
        raise control_character_error(error, text, file, offset) from None
    except yaml.MarkedYAMLError as error:
        raise syntax_error(error, text, file, offset) from None
    finally:
        if loader is not None:
            loader.dispose()
    return _Builder(text, file, offset).build(root) if root is not None else None


class _Builder:
    """Converts composed nodes to `Node`s and refuses what a spec must not contain."""

    def __init__(self, text: str, file: str, offset: bool) -> None:
        self._text = text
        self._file = file
        self._offset = offset
        self._visited: set[yaml.Node] = set()

    def build(self, node: yaml.Node, key: yaml.Node | None = None) -> Node:
        """Converts a node; `key` is its key in a mapping."""
        if node.tag not in _TAGS:
            self._refuse_tag(node)
        # A node is visited twice only through an alias: libyaml shares the object.
        if node in self._visited:
            self._refuse_alias()
        self._visited.add(node)
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
        return mark_place(node.start_mark, self._file) if self._offset else Place(self._file)

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
