"""Markdown tables of the fields of the YAML files, from their JSON Schemas.

Mappings inside a file have a section of their own, titled with the path of the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from reszoo.report.text import markdown_table
from reszoo.spec.schema import json_schema

Schema = dict[str, Any]

_DEFS = "#/$defs/"
_OVERRIDING = {"Stage": ("Block", "block")}
"""Definitions that repeat the fields of another one, without defaults, and where those are."""

_LARGEST_INTEGER = (1 << 31) - 1
"""The bound of every size in a spec, which is no news in a table."""


def field_tables(kind: str) -> str:
    """Returns the tables of all fields of a kind of file, such as `recipe`.

    Examples:
      >>> print(field_tables("target").splitlines()[0])
      | field | values | default | meaning |
    """
    schema = json_schema(kind)
    complete = schema["then"]["properties"]
    tables = _Tables(schema["$defs"])
    schema = {
        **schema,
        "properties": {**schema["properties"], **complete},
        "required": schema["then"]["required"],
    }
    parts = [tables.table(schema, "")]
    while tables.waiting:
        path, mapping = tables.waiting.pop(0)
        parts += [f"## `{path}`", *tables.section(mapping, path)]
    return "\n\n".join(parts) + "\n"


class _Tables:
    """Tables of one schema, and the sections that they refer to.

    Attributes:
      waiting: path and schema of the mappings that have no section yet.
    """

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.waiting: list[tuple[str, Schema]] = []
        self._definitions = definitions
        self._paths: dict[str, str] = {}

    def section(self, schema: Schema, path: str) -> Iterator[str]:
        """Yields what describes a mapping that may be written as a word instead."""
        mapping = next(self._mappings(schema))
        if description := mapping.get("description"):
            yield " ".join(description.split())
        options = _options(self._resolve(schema))
        words = [word for option in options for word in option.get("enum", ())]
        for name, field in mapping["properties"].items():
            if words and field.get("enum") == words:
                word = words[-1]
                yield f"A word alone, such as `{word}`, is short for `{{{name}: {word}}}`."
        yield self.table(mapping, path, _OVERRIDING.get(_name(schema) or ""))

    def table(self, schema: Schema, path: str, overridden: tuple[str, str] | None = None) -> str:
        """Returns the table of a mapping's fields."""
        required = schema.get("required", [])
        repeated = self._definitions[overridden[0]]["properties"] if overridden else {}
        rows = []
        for name, field in schema["properties"].items():
            if name in repeated:
                continue
            values = self.values(field, f"{path}.{name}".removeprefix("."))
            default = "required" if name in required else _default(field)
            description = field.get("description") or self._description(field)
            rows.append((f"`{name}`", values, default, description))
        if overridden:
            link = f"[`{overridden[1]}`]({_anchor(overridden[1])})"
            rows.append((f"any field of {link}", "", "", "Overrides it in this stage."))
        return markdown_table(("field", "values", "default", "meaning"), rows)

    def values(self, schema: Schema, path: str) -> str:
        """Returns the values that a field takes, in words."""
        options = list(_options(schema))
        if len(options) > 1:
            return " or ".join(self.values(option, path) for option in options)
        [schema] = options
        if name := _name(schema):
            if next(self._mappings(schema), None) is None:
                return self.values(self._definitions[name], path)
            if name not in self._paths:
                self._paths[name] = path
                self.waiting.append((path, schema))
            return f"[mapping]({_anchor(self._paths[name])})"
        if "properties" in schema:
            return f"[mapping]({_anchor(path)})"
        if "enum" in schema:
            return ", ".join(_code(value) for value in schema["enum"])
        if "const" in schema:
            return _code(schema["const"])
        return self._type(schema, path)

    def _type(self, schema: Schema, path: str) -> str:
        kind = schema.get("type")
        if kind == "array":
            items = schema.get("prefixItems")
            if items:
                return f"[{', '.join(self.values(item, path) for item in items)}]"
            return f"list: {self.values(schema.get('items', {}), f'{path}[]')}"
        if kind == "object":
            values = schema.get("additionalProperties")
            if isinstance(values, dict):
                return f"any name: {self.values(values, f'{path}.*')}"
            return "any fields"
        if kind in ("integer", "number"):
            return f"{kind}{_bounds(schema)}"
        if kind == "string":
            return "fraction such as `30/90`" if "/" in schema.get("pattern", "") else "text"
        return "`true`, `false`" if kind == "boolean" else "any value"

    def _resolve(self, schema: Schema) -> Schema:
        name = _name(schema)
        return self._definitions[name] if name else schema

    def _description(self, field: Schema) -> str:
        """Returns the description of a field's type."""
        options = list(_options(field))
        if len(options) == 1 and _name(options[0]):
            mapping = next(self._mappings(options[0]), {})
            return str(mapping.get("description", ""))
        return ""

    def _mappings(self, schema: Schema) -> Iterator[Schema]:
        for option in _options(self._resolve(schema)):
            if "properties" in option:
                yield option


def _name(schema: Schema) -> str | None:
    """Returns the name of the definition that a schema refers to."""
    reference = schema.get("$ref")
    return reference.removeprefix(_DEFS) if isinstance(reference, str) else None


def _options(schema: Schema) -> Iterator[Schema]:
    """Yields the alternatives of a schema but for null, which is what a default says."""
    for option in schema.get("anyOf", [schema]):
        if option.get("type") != "null":
            yield option


def _bounds(schema: Schema) -> str:
    words = [
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "to"),
        ("exclusiveMaximum", "below"),
    ]
    bounds = [
        f"{word} {schema[key]:g}"
        for key, word in words
        if key in schema and schema[key] != _LARGEST_INTEGER
    ]
    return f" {' '.join(bounds)}" if bounds else ""


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default is None or isinstance(default, dict) else _code(default)


def _code(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`"


def _anchor(path: str) -> str:
    """Returns the link to a section, as GitHub and Python-Markdown name it."""
    return "#" + re.sub(r"[^\w-]", "", path.lower())
