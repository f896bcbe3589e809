"""JSON Schemas of the YAML files, for completion and checks in editors."""

from __future__ import annotations

from typing import Any

from reszoo.spec.document.overrides import IDENTITY
from reszoo.spec.lookup import document_class

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEFS = "#/$defs/"
_PARTIAL = "Partial"


def json_schema(kind: str) -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a kind of file, such as `recipe`.

    A file that `extends` another may omit inherited keys, so only keys that are never inherited are
    required of it.

    Examples:
      >>> json_schema("recipe")["properties"]["epochs"]["minimum"]
      1
    """
    full = _strip_titles(document_class(kind).model_json_schema(mode="validation"))
    definitions: dict[str, Any] = full.pop("$defs", {})
    optional_defs: dict[str, Any] = {}
    properties = full["properties"]
    partial = {
        name: schema if name in IDENTITY else _make_optional(schema, definitions, optional_defs)
        for name, schema in properties.items()
    }
    complete = {name: schema for name, schema in properties.items() if partial[name] != schema}
    return {
        "$schema": DIALECT,
        "title": f"reszoo {kind}",
        "description": full.get("description", ""),
        "type": "object",
        "properties": {
            "extends": {
                "type": "string",
                "minLength": 1,
                "description": "The base spec: a name from the zoo, or a file. "
                "Mappings merge, lists are replaced.",
            },
            **partial,
        },
        "required": [name for name in full.get("required", []) if name in IDENTITY],
        "additionalProperties": False,
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": full.get("required", []), "properties": complete},
        "$defs": {**definitions, **optional_defs},
    }


def _strip_titles(schema: Any) -> Any:
    """Returns a schema without pydantic's titles, which only repeat the keys."""
    if isinstance(schema, list):
        return [_strip_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _strip_titles(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }


def _make_optional(schema: Any, definitions: dict[str, Any], optional_defs: dict[str, Any]) -> Any:
    """Returns a schema without `required` in mappings, which merge; list items stay complete."""
    if isinstance(schema, list):
        return [_make_optional(item, definitions, optional_defs) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref")) and reference.startswith(_DEFS):
        name = reference.removeprefix(_DEFS)
        changed = _make_optional(definitions[name], definitions, optional_defs)
        if changed == definitions[name]:
            return schema
        optional_defs[_PARTIAL + name] = changed
        return {**schema, "$ref": f"{_DEFS}{_PARTIAL}{name}"}
    result = {}
    for key, value in schema.items():
        if key == "required":
            continue
        if key == "properties":
            result[key] = {
                name: _make_optional(item, definitions, optional_defs)
                for name, item in value.items()
            }
        elif key in ("items", "prefixItems", "default", "enum", "const"):
            result[key] = value
        else:
            result[key] = _make_optional(value, definitions, optional_defs)
    return result
