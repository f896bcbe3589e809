"""Typed tables: rows of one frozen dataclass, as CSV and as a pandas data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from reszoo.pandas_frame import data_frame

RowType = TypeVar("RowType")


@dataclass(frozen=True, slots=True)
class Table(Generic[RowType]):
    r"""Rows of one dataclass, whose fields are the columns.

    Examples:
      >>> @dataclass(frozen=True)
      ... class Point:
      ...     x: int
      ...     y: float | None
      >>> table = Table(Point, (Point(1, 0.5), Point(2, None)))
      >>> table.column("x")
      (1, 2)
      >>> table.to_csv()
      'x,y\n1,0.5\n2,\n'
    """

    row_type: type[RowType]
    rows: tuple[RowType, ...]

    def __iter__(self) -> Iterator[RowType]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(field.name for field in fields(self.row_type))  # type: ignore[arg-type]

    def column(self, name: str) -> tuple[Any, ...]:
        """Returns the values of a column."""
        return tuple(getattr(row, name) for row in self.rows)

    def where(self, **values: Any) -> Table[RowType]:
        """Returns the rows that have these values in these columns."""
        rows = (
            row
            for row in self.rows
            if all(getattr(row, name) == value for name, value in values.items())
        )
        return Table(self.row_type, tuple(rows))

    def to_csv(self) -> str:
        """Returns the table as CSV with a header; None becomes an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([getattr(row, name) for name in self.columns] for row in self.rows)
        return text.getvalue()

    def to_frame(self) -> Any:
        """Returns a `pandas.DataFrame`.

        Raises:
          UserError: pandas is not installed.
        """
        columns = {name: self.column(name) for name in self.columns}
        return data_frame(columns, instead="`rows` or `to_csv()`")
