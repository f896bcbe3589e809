"""The shipped targets of an export as a table."""

from __future__ import annotations

from reszoo.report.text import MISSING, table
from reszoo.spec import load_target, names_of


def target_table() -> str:
    """Returns name, kinds of files and purpose of every shipped target."""
    targets = [load_target(name) for name in names_of("target")]
    rows = [(each.name, ", ".join(each.writes), each.title or MISSING) for each in targets]
    return table(("target", "writes", "for"), rows, "lll")
