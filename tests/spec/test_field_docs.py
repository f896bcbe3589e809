"""Each field of a spec is described below it, and the schemas of editors say the same."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from reszoo.spec import KINDS, json_schema
from reszoo.spec.architecture import Architecture, Stage
from reszoo.spec.base import Value
from reszoo.spec.block_fields import BlockFields
from reszoo.spec.field_docs import field_docs
from reszoo.spec.lookup import document_class
from reszoo.spec.target import Calibration


def models(model: type[Value] = Value) -> Iterator[type[Value]]:
    for child in model.__subclasses__():
        yield child
        yield from models(child)


def test_every_field_of_every_spec_has_a_docstring() -> None:
    for kind in KINDS:
        import_module(f"reszoo.spec.{kind}")
    documented = {model for model in models() if not issubclass(model, BlockFields)}
    assert len(documented) > 40
    for model in documented:
        assert set(model.model_fields) <= set(field_docs(model)), model


def test_a_docstring_of_several_lines_has_no_indent() -> None:
    first, *others = field_docs(Calibration)["images"].split("\n")
    assert first.startswith("Number of images, drawn from the training split only;")
    assert others
    assert others == [line.strip() for line in others]


def test_a_class_has_the_docstrings_of_what_it_extends() -> None:
    assert field_docs(Stage)["depth"].startswith("Number of blocks")
    assert field_docs(Stage)["order"] == field_docs(BlockFields)["order"]


def test_what_is_no_field_is_not_described() -> None:
    assert set(field_docs(Architecture)) <= set(Architecture.model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_describes_every_key(kind: str) -> None:
    properties = dict(json_schema(kind)["properties"])
    del properties["extends"]
    docs = field_docs(document_class(kind))
    assert {name: key["description"] for name, key in properties.items()} == docs


@pytest.mark.parametrize(
    ("kind", "model", "key", "text"),
    [
        ("architecture", "Norm", "epsilon", "Added to the variance"),  # a word or a mapping
        ("recipe", "Views", "crops", "5: the corners"),  # a word, a number or a mapping
        ("recipe", "EMA", "kept", "Decay of the average"),  # a number or a mapping
        ("target", "Vela", "memory_mode", "Memories in which weights"),
    ],
)
def test_the_schema_describes_the_keys_inside(kind, model, key, text) -> None:
    definition = json_schema(kind)["$defs"][model]
    mapping = next(form for form in definition.get("anyOf", [definition]) if "properties" in form)
    assert mapping["properties"][key]["description"].startswith(text)
