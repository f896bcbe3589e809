"""Expressions of a search's constraints: comparisons of fields and numbers, never run as Python.

    stages[2].width <= 4 * stages[0].width
    5 <= sum(stages[*].depth) <= 12

The text is read by Python's parser, and only the nodes named here are accepted.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reszoo.errors import did_you_mean
from reszoo.spec.search_space import SHARED, Pattern

FUNCTIONS = ("min", "max", "sum")
MOST_CHARACTERS = 1_000
MOST_NESTED = 50
MOST_DIGITS = 15
"""Numbers are below 10 to this power, so that sums and products of them are exact."""

_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.GtE: ">=", ast.Gt: ">"}
_ANY_ITEM = re.compile(r"(?<=\[)(\s*)\*(?=\s*\])")


class ExpressionError(ValueError):
    """A mistake in an expression, with its offset in the text."""

    def __init__(self, what: str, offset: int, expected: str | None, hint: str) -> None:
        super().__init__(what)
        self.what, self.offset, self.expected, self.hint = what, offset, expected, hint


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the spec or of the recipe, or with `[*]` that of every item of a list."""

    text: str
    pattern: Pattern
    offset: int

    @property
    def is_list(self) -> bool:
        """Whether the field stands for several values."""
        return SHARED in self.pattern


@dataclass(frozen=True, slots=True)
class Operation:
    """A sum, difference, product or quotient."""

    operator: Literal["+", "-", "*", "/"]
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Call:
    """`min`, `max` or `sum` of all values of its arguments."""

    function: Literal["min", "max", "sum"]
    arguments: tuple[Term, ...]


Term = Number | Field | Operation | Call


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """A chain of comparisons: `operators[i]` stands between `terms[i]` and `terms[i + 1]`."""

    text: str
    terms: tuple[Term, ...]
    operators: tuple[str, ...]

    def fields(self) -> Iterator[Field]:
        """Yields the fields compared, in the order of the text."""
        for term in self.terms:
            yield from _fields(term)


def parse(text: str) -> FieldComparison:
    """Parses a constraint.

    Raises:
      ExpressionError: the text is no comparison of fields and numbers.

    Examples:
      >>> parse("stages[2].width <= 4 * stem.filters").operators
      ('<=',)
    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(
            f"a constraint has {len(text):,} characters",
            0,
            f"at most {MOST_CHARACTERS:,} characters",
            "write several constraints",
        )
    if "\0" in text:
        raise ExpressionError(
            "a constraint holds a null character",
            text.index("\0"),
            "fields, numbers, + - * / and comparisons",
            "remove it",
        )
    start = len(text) - len(text.lstrip())
    source = re.sub(r"\s", " ", _ANY_ITEM.sub(r"\1_", text))
    return _Reader(text, source, start).comparison(_python_tree(source, start))


def _python_tree(source: str, start: int) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `3in` is an error here, not a warning
            return ast.parse(source[start:], mode="eval").body
    except SyntaxError as error:
        # Python gives no offset for a text that ends too early.
        offset = start + error.offset - 1 if error.offset else len(source.rstrip())
        raise ExpressionError(
            f"a constraint cannot be read: {error.msg}",
            offset,
            "a comparison such as `stages[2].width <= 4 * stages[0].width`",
            "correct it from this column on",
        ) from None
    except (RecursionError, MemoryError):
        raise _nested_too_deeply(start) from None


def _nested_too_deeply(offset: int) -> ExpressionError:
    return ExpressionError(
        "a constraint is nested too deeply",
        offset,
        f"at most {MOST_NESTED} levels",
        "write several constraints",
    )


class _Reader:
    """Converts Python's nodes to terms, and refuses every other node."""

    def __init__(self, text: str, source: str, start: int) -> None:
        self._text = text
        self._start = start
        self._bytes = source[start:].encode()

    def comparison(self, node: ast.expr) -> FieldComparison:
        if isinstance(node, ast.BoolOp):
            raise self._error(
                "a constraint joins comparisons",
                node,
                "one comparison",
                "write each comparison as a constraint of its own",
            )
        if not isinstance(node, ast.Compare):
            raise self._error(
                f"'{self._text.strip()}' compares nothing",
                node,
                "a comparison by <, <=, ==, >= or >",
                "add a comparison, such as `<= 10`",
            )
        operators = []
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if type(operator) not in _COMPARISONS:
                raise self._error(
                    "a constraint compares by something else",
                    right,
                    "one of <, <=, ==, >= or >",
                    "write one of them before this term",
                )
            operators.append(_COMPARISONS[type(operator)])
        terms = tuple(self._term(term, 1) for term in (node.left, *node.comparators))
        for term in terms:
            self._refuse_list(term)
        return FieldComparison(self._text, terms, tuple(operators))

    def _term(self, node: ast.expr, depth: int) -> Term:
        if depth > MOST_NESTED:
            raise _nested_too_deeply(self._offset(node))
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._field(node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                sign: Literal["+", "-"] = "-" if isinstance(node.op, ast.USub) else "+"
                return Operation(sign, Number(0), self._single(operand, depth))
            case ast.BinOp(left=left, right=right) if type(node.op) in _OPERATORS:
                operator = _OPERATORS[type(node.op)]
                terms = self._single(left, depth), self._single(right, depth)
                return Operation(operator, *terms)  # type: ignore[arg-type]
            case ast.Call():
                return self._call(node, depth)
        raise self._error(
            "a constraint holds something else than fields and numbers",
            node,
            "fields, numbers, + - * /, min, max and sum",
            "remove it",
        )

    def _single(self, node: ast.expr, depth: int) -> Term:
        term = self._term(node, depth + 1)
        self._refuse_list(term)
        return term

    def _refuse_list(self, term: Term) -> None:
        if isinstance(term, Field) and term.is_list:
            raise ExpressionError(
                f"'{term.text}' is a value for each item",
                term.offset,
                "one number",
                f"write `sum({term.text})`, `min({term.text})` or `max({term.text})`",
            )

    def _number(self, node: ast.Constant) -> Number:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(
                f"{value!r} is no number", node, "a number or a field", "write a number"
            )
        if not math.isfinite(value) or abs(value) >= 10**MOST_DIGITS:
            raise self._error(
                "a number is too large",
                node,
                f"numbers below 1e{MOST_DIGITS}",
                "write a smaller number",
            )
        return Number(value)

    def _call(self, node: ast.Call, depth: int) -> Call:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in FUNCTIONS:
            raise self._error(
                f"'{name}' is no function of constraints" if name else "a field cannot be called",
                node,
                ", ".join(FUNCTIONS),
                (did_you_mean(name, FUNCTIONS) if name else None) or "use one of them",
            )
        plain = not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
        if not node.args or not plain:
            raise self._error(
                f"{name} needs values",
                node,
                f"fields and numbers: {name}(stages[*].depth)",
                f"write the values between the brackets of {name}",
            )
        arguments = tuple(self._term(argument, depth + 1) for argument in node.args)
        return Call(name, arguments)  # type: ignore[arg-type]

    def _field(self, node: ast.expr) -> Field:
        """Returns a chain of names and indices as a path."""
        parts: list[str | int] = []
        current: ast.expr = node
        while not isinstance(current, ast.Name):
            if isinstance(current, ast.Attribute):
                parts.append(current.attr)
                current = current.value
            elif isinstance(current, ast.Subscript):
                parts.append(self._index(current.slice))
                current = current.value
            else:
                raise self._error(
                    "this is no path", current, "names and indices: stages[2].width", "remove it"
                )
        parts.append(current.id)
        text = self._text[self._offset(node) : self._end(node)]
        pattern = tuple(reversed(parts))
        if pattern.count(SHARED) > 1:
            raise self._error(
                f"'{text}' has several [*]", node, "one [*]", "write numbers in the other brackets"
            )
        return Field(text, pattern, self._offset(node))

    def _index(self, node: ast.expr) -> str | int:
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value >= 0:
            return node.value
        if isinstance(node, ast.Name) and self._text[self._offset(node)] == "*":
            return SHARED
        raise self._error(
            "a wrong index", node, "a number from 0, or *", "write [*] for all, or a number from 0"
        )

    def _offset(self, node: ast.expr) -> int:
        # Python counts bytes.
        return self._start + len(self._bytes[: node.col_offset].decode())

    def _end(self, node: ast.expr) -> int:
        return self._start + len(self._bytes[: node.end_col_offset].decode())

    def _error(self, what: str, node: ast.expr, expected: str, hint: str) -> ExpressionError:
        return ExpressionError(what, self._offset(node), expected, hint)


def _fields(term: Term) -> Iterator[Field]:
    match term:
        case Field():
            yield term
        case Operation(left=left, right=right):
            yield from _fields(left)
            yield from _fields(right)
        case Call(arguments=arguments):
            for argument in arguments:
                yield from _fields(argument)
