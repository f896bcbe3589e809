"""The record of errors sees a missing and a hollow `do:`, and no error is written without one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reszoo
from reszoo import spec
from reszoo.errors import UserError
from tests.recorded_errors import hollow, is_hollow, recorded

PACKAGE = Path(reszoo.__file__).parent
ERRORS = ("UserError", "MachineError", "GateError", "RestartError")


@pytest.mark.parametrize(
    "hint", [None, "", "check the path", "correct the value", "is this the right file?"]
)
def test_a_hollow_hint_is_seen(hint):
    assert is_hollow(hint)


@pytest.mark.parametrize("hint", ["write `epochs: 1`", "did you mean 'resnet20'?", "--epochs 1"])
def test_a_hint_that_can_be_carried_out_passes(hint):
    assert not is_hollow(hint)


def test_the_record_has_what_is_raised_and_not_what_was_replaced():
    with recorded() as errors:
        with pytest.raises(UserError) as raised:
            spec.load("resent20")
        replaced = raised.value.changed(hint="check the path")
        UserError("made by a test")
    assert errors[-1] is replaced
    assert raised.value not in errors
    assert hollow(errors) == [f"UserError: {replaced}"]


def calls():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ERRORS:
                yield path, node


def test_every_error_in_the_code_has_a_hint():
    """Also those that no test provokes."""
    without = []
    for path, call in calls():
        hints = [keyword.value for keyword in call.keywords if keyword.arg == "hint"]
        literal = [hint.value for hint in hints if isinstance(hint, ast.Constant)]
        named = hints and not any(is_hollow(text) for text in literal)
        if not named:
            without.append(f"{path.relative_to(PACKAGE)}:{call.lineno}")
    assert without == []
