"""What does a mapping inside a stage leave as it is in the block? All that it does not say.

`attention: {kernel: 3}` in a stage changes the kernel of the block's attention. A word or a mapping
that says its `kind` starts anew; a document is written with every kind, so it reads back the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def apply_inheritance(data: Any) -> Any:
    """The data of an architecture with what stages, block and stem inherit written out.

    A stage's mappings lie on top of the block's, and `norm` of block and stem on the spec's.
    """
    spec = _mapping(data)
    if spec is None:
        return data
    norm = {"norm": spec.get("norm")}
    changed = {name: _on_top(spec[name], norm) for name in ("stem", "block") if name in spec}
    block = _mapping(changed.get("block")) or {}
    shared = norm | {name: value for name, value in block.items() if value is not None}
    if isinstance(stages := spec.get("stages"), list | tuple):
        changed["stages"] = [_on_top(stage, shared) for stage in stages]
    return {**spec, **changed}


def _on_top(part: Any, around: Mapping[str, Any]) -> Any:
    """`part`, each of its mappings on top of the value that has the same name in `around`."""
    if not isinstance(part, Mapping):
        return part
    return {name: _merged(value, _mapping(around.get(name))) for name, value in part.items()}


def _merged(value: Any, under: Mapping[str, Any] | None) -> Any:
    if not isinstance(value, Mapping) or "kind" in value or under is None:
        return value
    # An empty value says nothing: a document leaves it out when it is written.
    return {
        **under,
        **{key: one for key, one in value.items() if one is not None or key not in under},
    }


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """A value as a mapping, a word as the kind it is short for; None for anything else."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, str):
        return {"kind": value}
    return value if isinstance(value, Mapping) else None
