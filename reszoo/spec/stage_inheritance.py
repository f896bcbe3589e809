"""Inheritance inside a spec: mappings of a stage merge with those of the block.

`attention: {kernel: 3}` in a stage changes the kernel of the block's attention. A word or a mapping
with a `kind` replaces it; documents are written with every kind, so they read back the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def apply_inheritance(data: Any) -> Any:
    """Returns the data of an architecture with the inherited fields filled in.

    Mappings of a stage merge with the block's, and `norm` of block and stem with the spec's.
    """
    spec = _as_mapping(data)
    if spec is None:
        return data
    norm = {"norm": spec.get("norm")}
    changed = {name: _merge_fields(spec[name], norm) for name in ("stem", "block") if name in spec}
    block = _as_mapping(changed.get("block")) or {}
    shared = norm | {name: value for name, value in block.items() if value is not None}
    if isinstance(stages := spec.get("stages"), list | tuple):
        changed["stages"] = [_merge_fields(stage, shared) for stage in stages]
    return {**spec, **changed}


def _merge_fields(fields: Any, defaults: Mapping[str, Any]) -> Any:
    """`fields`, with each mapping merged over the value of the same name in `defaults`."""
    if not isinstance(fields, Mapping):
        return fields
    return {name: _merge(value, _as_mapping(defaults.get(name))) for name, value in fields.items()}


def _merge(value: Any, base: Mapping[str, Any] | None) -> Any:
    if not isinstance(value, Mapping) or "kind" in value or base is None:
        return value
    # None inherits: a document omits such a field when it is written.
    return {**base, **{k: item for k, item in value.items() if item is not None or k not in base}}


def _as_mapping(value: Any) -> Mapping[str, Any] | None:
    """A value as a mapping, a word as its `kind`; None for anything else."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, str):
        return {"kind": value}
    return value if isinstance(value, Mapping) else None
