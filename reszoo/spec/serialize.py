"""Serialization of documents: plain mappings, editable YAML and fingerprints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from reszoo.spec.base import Document, KeyPath, Kinded
from reszoo.spec.document.overrides import IDENTITY
from reszoo.spec.document.yaml_text import format_scalar, to_flow

if TYPE_CHECKING:
    from reszoo.spec.architecture import Architecture

_WIDTH = 100


def to_mapping(document: Document) -> dict[str, Any]:
    """Returns every field of a document as dicts, lists and scalars; see `from_mapping`.

    Fields left at a default of None are omitted.

    Examples:
      >>> from reszoo.spec import load
      >>> to_mapping(load("resnet20"))["stages"][0]["depth"]
      3
    """
    plain: dict[str, Any] = _to_plain(document, lambda value, mapping: mapping)
    return plain


def to_yaml(document: Document, comments: Mapping[KeyPath, str] | None = None) -> str:
    """Returns a document as editable YAML with all defaults, which loads back to an equal value.

    Comments by path, such as `{("stages", 2): "14x14"}`, end the line on which the value starts.
    """
    lines = _block(_to_plain(document, _abbreviate), (), 0, comments or {})
    return "\n".join(lines) + "\n"


def fingerprint(architecture: Architecture) -> str:
    """Returns the SHA-256 of what a network computes, as canonical JSON.

    Name, title, source, published numbers and the origin of weights are excluded, so two specs of
    the same network have the same fingerprint.
    """
    mapping = to_mapping(architecture)
    for key in IDENTITY:
        mapping.pop(key, None)
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _to_plain(value: Any, finish: Callable[[BaseModel, dict[str, Any]], Any]) -> Any:
    """Converts to dicts, lists and scalars; `finish` post-processes the mapping of each model."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        mapping = {
            name: _to_plain(item, finish)
            for name in fields
            if (item := getattr(value, name)) is not None or fields[name].default is not None
        }
        return finish(value, mapping)
    if isinstance(value, Mapping):
        return {key: _to_plain(item, finish) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item, finish) for item in value]
    return value


def _abbreviate(value: BaseModel, mapping: dict[str, Any]) -> Any:
    """Abbreviates a mapping to its kind if it has no other field, or is a default `none`."""
    if not isinstance(value, Kinded):
        return mapping
    fields = type(value).model_fields.items()
    rest = (getattr(value, name) == field.default for name, field in fields if name != "kind")
    alone = len(mapping) == 1 or (mapping["kind"] == "none" and all(rest))
    return mapping["kind"] if alone else mapping


def _block(
    mapping: Mapping[str, Any], path: KeyPath, indent: int, comments: Mapping[KeyPath, str]
) -> list[str]:
    """The lines of a mapping: entries that fit are on one line, others are indented below."""
    lines = []
    for key, value in mapping.items():
        start = f"{' ' * indent}{format_scalar(key)}:"
        lines += _entry(start, value, (*path, key), indent, comments)
    return lines


def _entry(
    start: str, value: Any, path: KeyPath, indent: int, comments: Mapping[KeyPath, str]
) -> list[str]:
    flow = f"{start} {to_flow(value)}"
    below = any(len(other) > len(path) and other[: len(path)] == path for other in comments)
    table = isinstance(value, list) and any(isinstance(item, Mapping) for item in value)
    breakable = isinstance(value, Mapping | list) and len(value) > 0
    if not breakable or (len(flow) <= _WIDTH and not below and not table):
        return [_commented(flow, path, comments)]
    lines = [_commented(start, path, comments)]
    if isinstance(value, Mapping):
        return lines + _block(value, path, indent + 2, comments)
    for index, item in enumerate(value):
        lines += _item((*path, index), item, indent + 2, comments)
    return lines


def _item(path: KeyPath, item: Any, indent: int, comments: Mapping[KeyPath, str]) -> list[str]:
    start = f"{' ' * indent}-"
    flow = f"{start} {to_flow(item)}"
    if not isinstance(item, Mapping) or not item or len(flow) <= _WIDTH:
        return [_commented(flow, path, comments)]
    lines = _block(item, path, indent + 2, comments)
    lines[0] = _commented(f"{start} {lines[0].lstrip()}", path, comments)
    return lines


def _commented(line: str, path: KeyPath, comments: Mapping[KeyPath, str]) -> str:
    comment = " ".join(comments.get(path, "").split())
    return f"{line}  # {comment}" if comment else line
