"""An error says what, where, expected, found and what to do, and knows its exit code."""

from __future__ import annotations

import pytest

from reszoo.errors import (
    GateError,
    MachineError,
    Place,
    RestartError,
    ReszooError,
    UserError,
    did_you_mean,
    first_line,
    visible,
)


def test_a_message_has_one_line_for_each_question() -> None:
    error = UserError(
        "the stage has no width",
        where=Place("net.yaml", 3, 7),
        expected="a whole number",
        found="nothing",
        hint="add `width: 16`",
    )
    assert str(error).splitlines() == [
        "the stage has no width",
        "  where:    net.yaml:3:7",
        "  expected: a whole number",
        "  found:    nothing",
        "  do:       add `width: 16`",
    ]


def test_questions_without_an_answer_are_left_out() -> None:
    assert str(MachineError("the disk is full")) == "the disk is full"
    assert str(Place("net.yaml")) == "net.yaml"


def test_control_characters_are_written_out() -> None:
    error = UserError(
        "no \x1b[31mred\x07", where=Place("a\rb"), found="\x9b1m\u202e\x7f", hint="a\tb"
    )
    assert str(error).splitlines() == [
        r"no \x1b[31mred\x07",
        r"  where:    a\rb",
        r"  found:    \x9b1m\u202e\x7f",
        r"  do:       a\tb",
    ]
    assert first_line(ValueError("\x1b]0;title")) == r"\x1b]0;title"
    assert visible("Größe 犬 👩‍🔬\n") == "Größe 犬 👩‍🔬\n"


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ReszooError, 1), (UserError, 2), (MachineError, 1), (GateError, 1), (RestartError, 75)],
)
def test_exit_codes(kind: type[ReszooError], code: int) -> None:
    assert kind("what").exit_code == code


def test_near_names_are_suggested_and_far_ones_not() -> None:
    names = ["resnet50", "highway19", "plain34"]
    assert did_you_mean("resent50", names) == "did you mean 'resnet50'?"
    assert did_you_mean("vgg", names) is None


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("\n the cause \nthe trace", "the cause"),
        ("Graph execution error:\n\nDetected at node x\nthe cause", "the cause"),
        ("", "ValueError"),
        ("x" * 300, "x" * 200),
    ],
)
def test_first_line_of_an_error_names_its_cause(message: str, line: str) -> None:
    assert first_line(ValueError(message)) == line
