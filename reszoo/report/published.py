"""Comparison of counts with the published ones."""

from __future__ import annotations

from reszoo.planning.cost import Cost
from reszoo.report.text import format_si
from reszoo.spec.architecture import Architecture, Published


def count_lines(spec: Architecture, cost: Cost) -> list[tuple[str, str]]:
    """Returns parameters and multiply-adds, each compared with its published value if any."""
    published = spec.published or Published(where="")
    return [
        ("parameters", _parameters(cost.parameters, published.parameters, published.where)),
        ("multiply-adds", _macs(cost.macs, published.macs, published.where)),
    ]


def agrees(exact: int, published: float) -> bool:
    """Returns whether `exact`, rounded to the published number's digits, equals it.

    >>> agrees(4_089_184_256, 4.089e9)
    True
    """
    digits = _digits(published)
    return float(f"{exact:.{digits}g}") == float(f"{published:.{digits}g}")


def _digits(published: float) -> int:
    return max(1, len(f"{published:.12f}".partition(".")[0].strip("0")))


def _parameters(exact: int, published: int | None, where: str) -> str:
    if published is None:
        return f"{exact:,}"
    if exact == published:
        return f"{exact:,}, equal to the published count ({where})"
    return f"{exact:,}, {exact - published:+,} from the published {published:,} ({where})"


def _macs(exact: int, published: float | None, where: str) -> str:
    text = f"{exact:,}" if exact < 1e9 else f"{exact:,} ({format_si(exact)})"
    if published is None:
        return text
    written = format_si(published, _digits(published))
    relation = "equal to" if agrees(exact, published) else f"{exact - int(published):+,} from"
    return f"{text}, {relation} the published {written} ({where})"
