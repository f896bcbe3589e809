"""Text of YAML values in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reszoo.spec.document.yaml_source import parse_value

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./+()@-]*( [A-Za-z0-9_./+()@-]+)*")


def to_flow(value: Any) -> str:
    """Returns a plain value as YAML in one line."""
    if isinstance(value, Mapping):
        items = ", ".join(f"{format_scalar(key)}: {to_flow(item)}" for key, item in value.items())
        return f"{{{items}}}"
    if isinstance(value, list):
        return "[" + ", ".join(to_flow(item) for item in value) + "]"
    return format_scalar(value)


def format_scalar(value: Any) -> str:
    """Returns a number, word or null as YAML; text is quoted where it needs to be."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and "e" in f"{value:g}" and float(f"{value:g}") == value:
        return f"{value:g}"
    if isinstance(value, int | float):
        return repr(value)
    bare = bool(_BARE.fullmatch(value)) and parse_value(value, "").value == value
    return value if bare else _quoted(value)


def _quoted(text: str) -> str:
    escaped = (
        {'"': '\\"', "\\": "\\\\", "\n": "\\n"}.get(character)
        or (character if character.isprintable() else f"\\U{ord(character):08X}")
        for character in text
    )
    return f'"{"".join(escaped)}"'
