"""Data frames of pandas, an optional package that is imported when one is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reszoo.errors import UserError


def data_frame(columns: Mapping[str, Sequence[Any]], instead: str) -> Any:
    """Returns columns as a `pandas.DataFrame`.

    Args:
      columns: the values of each column by its name, in order.
      instead: what gives the same values without pandas, for the error.

    Raises:
      UserError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UserError(
            "pandas is not installed",
            expected="pandas, to make a data frame",
            hint=f"`pip install pandas`, or use {instead}",
        ) from error
    return pandas.DataFrame(dict(columns), columns=list(columns))
