"""What an editor needs to complete and check the files: the JSON Schema of each kind."""

from __future__ import annotations

from typing import Any

from reszoo.spec.document.overrides import IDENTITY
from reszoo.spec.lookup import document_class

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEFS = "#/$defs/"
_PARTIAL = "Partial"


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the files of a kind.

    A file that `extends` another may leave out what it inherits: required keys are asked for only
    where they cannot be inherited.

    Raises:
      UserError: there is no such kind.
    """
    full = _untitled(document_class(kind).model_json_schema(mode="validation"))
    definitions: dict[str, Any] = full.pop("$defs", {})
    loosened: dict[str, Any] = {}
    partial = {
        name: schema if name in IDENTITY else _loosen(schema, definitions, loosened)
        for name, schema in full["properties"].items()
    }
    whole = {
        name: full["properties"][name]
        for name in partial
        if partial[name] != full["properties"][name]
    }
    return {
        "$schema": DIALECT,
        "title": f"reszoo {kind}",
        "description": full.get("description", ""),
        "type": "object",
        "properties": {
            "extends": {
                "type": "string",
                "minLength": 1,
                "description": "The spec this one changes: a name from the zoo, or a file. "
                "Mappings merge, lists are replaced.",
            },
            **partial,
        },
        "required": [name for name in full.get("required", []) if name in IDENTITY],
        "additionalProperties": False,
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": full.get("required", []), "properties": whole},
        "$defs": {**definitions, **loosened},
    }


def _untitled(schema: Any) -> Any:
    """A schema without pydantic's titles, which only repeat the keys."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _untitled(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }


def _loosen(schema: Any, definitions: dict[str, Any], loosened: dict[str, Any]) -> Any:
    """A schema without `required` in the mappings that merge; what stands in lists stays whole."""
    if isinstance(schema, list):
        return [_loosen(item, definitions, loosened) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref")) and reference.startswith(_DEFS):
        name = reference.removeprefix(_DEFS)
        changed = _loosen(definitions[name], definitions, loosened)
        if changed == definitions[name]:
            return schema
        loosened[_PARTIAL + name] = changed
        return {**schema, "$ref": f"{_DEFS}{_PARTIAL}{name}"}
    result = {}
    for key, value in schema.items():
        if key == "required":
            continue
        if key == "properties":
            result[key] = {one: _loosen(two, definitions, loosened) for one, two in value.items()}
        elif key in ("items", "prefixItems", "default", "enum", "const"):
            result[key] = value
        else:
            result[key] = _loosen(value, definitions, loosened)
    return result
