"""Typed tables: rows of a dataclass as CSV and as a data frame."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from reszoo.errors import UserError
from reszoo.figures.typed_table import Table


@dataclass(frozen=True)
class Point:
    x: int
    name: str | None


TABLE = Table(Point, (Point(1, "a"), Point(2, None), Point(3, "b, c")))


def test_columns_are_the_fields_and_missing_values_are_empty():
    assert TABLE.to_csv() == 'x,name\n1,a\n2,\n3,"b, c"\n'


def test_rows_are_selected_by_the_values_of_columns():
    assert TABLE.where(x=2, name=None).rows == (Point(2, None),)
    assert TABLE.where(x=4).column("name") == ()


def test_without_pandas_the_error_says_what_else_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pandas is not installed") as error:
        TABLE.to_frame()
    assert "to_csv" in str(error.value.hint)


def test_a_data_frame_has_the_columns_and_rows(monkeypatch):
    pandas = pytest.importorskip("pandas")
    assert isinstance(TABLE.to_frame(), pandas.DataFrame)
    assert list(TABLE.to_frame()["x"]) == [1, 2, 3]
