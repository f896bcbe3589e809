from __future__ import annotations

import pytest

from reszoo.tuning.expressions import ExpressionError, Number, parse


def test_a_chain_of_comparisons_is_read_in_order():
    comparison = parse("5 <= sum(stages[*].depth) < 2 * stem.filters + 1 == 7 >= 3 > 1")
    assert comparison.operators == ("<=", "<", "==", ">=", ">")
    assert comparison.terms[0] == Number(5)


def test_fields_are_paths_with_their_offset():
    first, second, third = parse(
        "  max(stages[*].width, 8) <= block.kernel * stages[10].x"
    ).fields()
    assert (first.text, first.pattern, first.offset) == (
        "stages[*].width",
        ("stages", "*", "width"),
        6,
    )
    assert second.pattern == ("block", "kernel")
    assert third.pattern == ("stages", 10, "x")


def test_line_breaks_are_spaces():
    assert len(parse("stem.filters\n  <= 3").terms) == 2


@pytest.mark.parametrize(
    ("text", "offset", "told"),
    [
        ("", 0, "cannot be read"),
        ("stem.filters <", 14, "cannot be read"),
        ("stem.filters", 0, "compares nothing"),
        ("a < 1 and b < 2", 0, "of its own"),
        ("a != 1", 5, "one of <"),
        ("a in b", 5, "one of <"),
        ("stages[*].depth < 3", 0, "sum(stages[*].depth)"),
        ("1 + stages[*].depth < 3", 4, "sum(stages[*].depth)"),
        ("stages[*].a[*] < 3", 0, "one [*]"),
        ("stages[-1].depth < 3", 7, "a number from 0"),
        ("stages[_].depth < 3", 7, "a number from 0"),
        ("stages[each].depth < 3", 7, "write [*]"),
        ("stages[0:2].depth < 3", 7, "a number from 0"),
        ("len(stages) < 3", 0, "no function"),
        ("summ(stages[*].depth) < 3", 0, "did you mean 'sum'"),
        ("sum() < 3", 0, "needs values"),
        ("sum(*stages) < 3", 0, "needs values"),
        ("min(a, key=b) < 3", 0, "needs values"),
        ("a.b() < 3", 0, "cannot be called"),
        ("__import__('os').system('true') < 3", 0, "cannot be called"),
        ("a ** 2 < 3", 0, "+ - * /"),
        ("a // 2 < 3", 0, "+ - * /"),
        ("(lambda: 1) < 3", 1, "remove it"),
        ("[1, 2] < 3", 0, "remove it"),
        ("(a := 1) < 3", 1, "remove it"),
        ("'residual' < 3", 0, "is no number"),
        ("True < 3", 0, "is no number"),
        ("2j < a", 0, "is no number"),
        ("a < 1e999", 4, "too large"),
        ("a < 10000000000000000", 4, "too large"),
        ("a < 3in", 7, "cannot be read"),
        ("ä.b < stages[*].c", 6, "sum(stages[*].c)"),
        ("a < 1\0", 5, "null character"),
        ("a < " + "(" * 400 + "1" + ")" * 400, None, ""),
        ("a < " + "-" * 900 + "1", None, "several constraints"),
        ("a < " + "1+" * 60 + "1", None, "several constraints"),
        ("a < " + "1 + " * 400 + "1", 0, "at most 1,000"),
    ],
)
def test_a_mistake_has_its_offset_and_a_hint(text, offset, told):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert told in f"{error.what} {error.expected} {error.hint}"
    assert error.hint
    if offset is not None:
        assert error.offset == offset
