"""Specs: YAML files as frozen, validated architectures, recipes, searches and targets."""

from __future__ import annotations

from reszoo.spec.architecture import Architecture
from reszoo.spec.base import Document
from reszoo.spec.loader import (
    DocumentReader,
    Origin,
    ResolvedDocument,
    from_mapping,
    kind_of,
    load,
    load_recipe,
    load_search,
    load_target,
    override,
    resolve,
)
from reszoo.spec.lookup import KINDS, families, family_of, names_of
from reszoo.spec.schema import json_schema
from reszoo.spec.serialize import fingerprint, to_mapping, to_yaml

__all__ = [
    "Architecture",
    "Document",
    "DocumentReader",
    "KINDS",
    "Origin",
    "ResolvedDocument",
    "families",
    "family_of",
    "fingerprint",
    "from_mapping",
    "json_schema",
    "kind_of",
    "load",
    "load_recipe",
    "load_search",
    "load_target",
    "names_of",
    "override",
    "resolve",
    "to_mapping",
    "to_yaml",
]
