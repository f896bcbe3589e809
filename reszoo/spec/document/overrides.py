"""Resolution of a file, the specs it extends, and `--set` overrides, in rising precedence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from reszoo.errors import Place, UserError
from reszoo.spec.base import SET_PREFIX, KeyPath, format_path
from reszoo.spec.document.yaml_node import Node, describe
from reszoo.spec.document.yaml_source import parse_value

IDENTITY = ("name", "title", "source", "published", "weights")
"""Keys of one file, never inherited by a spec that extends it."""

MOST_EXTENDS = 3
"""Largest length of a chain of `extends`."""

_PATH = re.compile(r"\s*[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*|\[(\*|-?\d+)\])*\s*")
_PAIR = re.compile(r"(?P<field>[a-z_]+(\.[a-z_]+|\[[*\d]+\])*)(\s*:\s*|\s+)(?P<value>[^\s=]+)")
_PART = re.compile(r"([A-Za-z_][\w-]*)|\[(\*|-?\d+)\]")

Read = Callable[[str, "Path | None", "Place | None"], tuple[str, Node]]
"""Finds and parses `(name or file, folder it is relative to, place that requests it)`."""


def resolve_extends(file: str, root: Node, read: Read) -> Node:
    """Returns the spec of `file`, merged over the specs it extends.

    Raises:
      UserError: a parent is missing, the chain is a circle or longer than `MOST_EXTENDS`.
    """
    chain = [(file, root)]
    while (extends := _parent(chain[-1][1])) is not None:
        parent = read(str(extends.value), Path(chain[-1][0]).parent, extends.place)
        if Path(parent[0]).resolve() in {Path(path).resolve() for path, _ in chain}:
            raise UserError(
                "extends forms a cycle",
                where=extends.place,
                expected="a chain that ends at a spec without `extends`",
                found=_arrows([*(path for path, _ in chain), parent[0]]),
                hint="remove one of these `extends`",
            )
        if len(chain) > MOST_EXTENDS:
            raise UserError(
                f"extends chains more than {MOST_EXTENDS} specs",
                where=extends.place,
                expected=f"a chain of at most {MOST_EXTENDS} `extends`",
                found=_arrows([*(path for path, _ in chain), str(extends.value)]),
                hint="extend one of the earlier specs directly",
            )
        chain.append(parent)
    merged = _without(chain[-1][1], ("extends",))
    for _, node in reversed(chain[:-1]):
        merged = merge(_without(merged, IDENTITY), _without(node, ("extends",)))
    return merged


def _parent(node: Node) -> Node | None:
    extends = node.value.get("extends") if isinstance(node.value, dict) else None
    if extends is None or (isinstance(extends.value, str) and extends.value):
        return extends
    raise UserError(
        "extends must name one spec",
        where=extends.place,
        expected="a name from `reszoo list` or a file, such as `extends: resnet20`",
        found=describe(extends.plain()),
        hint="remove the line, or name a spec",
    )


def merge(base: Node, override: Node) -> Node:
    """Merges `override` into `base`: mappings merge, everything else is replaced.

    A word counts as its kind: `{norm: false}` over `projection` is
    `{kind: projection, norm: false}`.
    """
    if not isinstance(override.value, dict):
        return override
    if isinstance(base.value, str):
        base = base._replace(value={"kind": base})
    if not isinstance(base.value, dict):
        return override
    merged = dict(base.value)
    for key, node in override.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return override._replace(value=merged)


def apply_overrides(root: Node, overrides: Sequence[str]) -> Node:
    """Returns the spec with each `path=value` applied in order.

    A changed network is no longer the published one: `title`, `source`, `published` and `weights`
    are dropped unless overridden; `name` stays, so that runs are named after their origin.

    Raises:
      UserError: an override is not `path=value`, or names an item that does not exist.
    """
    keys = set()
    for text in overrides:
        parts, value = parse_override(text)
        root = _set(root, parts, value, (), text)
        keys.add(parts[0])
    if keys - set(IDENTITY):
        root = _without(root, tuple(set(IDENTITY) - {"name"} - keys))
    return root


def parse_override(text: str) -> tuple[tuple[str | int, ...], Node]:
    """Parses `stages[*].width=32` into its path, `("stages", "*", "width")`, and its value."""
    place = Place(SET_PREFIX + text)
    path, equals, value = text.partition("=")
    if not equals or not _PATH.fullmatch(path):
        raise UserError(
            f"'{text}' is not an override",
            where=str(place),
            expected="FIELD=VALUE, such as stages[2].depth=23 or block.connection=highway",
            found="no = sign" if not equals else f"the field '{path.strip()}'",
            hint=_override_hint(text),
        )
    parts = (name or (index if index == "*" else int(index)) for name, index in _PART.findall(path))
    return tuple(parts), parse_value(value.strip(), place.file)


def _override_hint(text: str) -> str:
    """Returns what to write instead of a text that is no FIELD=VALUE."""
    if match := _PAIR.fullmatch(text):
        return f"write {match['field']}={match['value']}"
    if "=" not in text:
        return f"write {text}=VALUE if {text} is the field, FIELD={text} if it is the value"
    if "[" in text:
        return "write stages[0].depth=3 for one stage, stages[*].depth=3 for all"
    return "write the name of a field before the = sign; `reszoo show NAME --yaml` prints them"


def _set(
    node: Node | None, parts: tuple[str | int, ...], value: Node, path: KeyPath, text: str
) -> Node:
    """`node`, which is at `path`, with `value` at `parts` below it."""
    if not parts:
        return value if node is None else merge(node, value)
    part, rest = parts[0], parts[1:]
    if isinstance(part, str) and part != "*":
        return _set_key(node, part, rest, value, path, text)
    return _set_items(node, part, rest, value, path, text)


def _set_key(
    node: Node | None, key: str, rest: tuple[str | int, ...], value: Node, path: KeyPath, text: str
) -> Node:
    node = Node({}, value.file) if node is None or node.value is None else node
    if isinstance(node.value, str):
        node = node._replace(value={"kind": node})
    if not isinstance(node.value, dict):
        raise UserError(
            f"{format_path(path)} has no '{key}'",
            where=SET_PREFIX + text,
            expected=f"a mapping at {format_path(path)}",
            found=describe(node.plain()),
            hint=f"write {format_path(path)}[0] for its first item, {format_path(path)}[*] for all"
            if isinstance(node.value, list)
            else f"set {format_path(path)} itself",
        )
    child = _set(node.value.get(key), rest, value, (*path, key), text)
    return node._replace(value={**node.value, key: child})


def _set_items(
    node: Node | None,
    part: str | int,
    rest: tuple[str | int, ...],
    value: Node,
    path: KeyPath,
    text: str,
) -> Node:
    where = format_path(path)
    items = node.value if node is not None else None
    if node is None or not isinstance(items, list):
        raise UserError(
            f"{where} is not a list" if items is not None else f"{where} does not exist",
            where=SET_PREFIX + text,
            expected=f"a list at {where}",
            found=describe(node.plain() if node is not None else None),
            hint=f"set {where} as a whole, such as {where}=[...]",
        )
    if isinstance(part, int) and not -len(items) <= part < len(items):
        raise UserError(
            f"there is no {where}[{part}]",
            where=SET_PREFIX + text,
            expected=f"{where}[0] to {where}[{len(items) - 1}]" if items else "an item",
            found=f"a list of {len(items)}, whose first item is {where}[0]",
            hint=f"write one of these, or {where}[*] for all items",
        )
    chosen = range(len(items)) if isinstance(part, str) else (part % len(items),)
    changed = list(items)
    for index in chosen:
        changed[index] = _set(items[index], rest, value, (*path, index), text)
    return node._replace(value=changed)


def _without(node: Node, keys: tuple[str, ...]) -> Node:
    if not isinstance(node.value, dict) or not any(key in node.value for key in keys):
        return node
    return node._replace(value={key: value for key, value in node.value.items() if key not in keys})


def _arrows(files: Sequence[str]) -> str:
    return " -> ".join(Path(file).name for file in files)
