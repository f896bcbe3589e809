"""Does a count equal the published one?"""

from __future__ import annotations

from reszoo.planning.cost import Cost
from reszoo.report.text import count, short
from reszoo.spec.architecture import Architecture, Published


def count_lines(spec: Architecture, cost: Cost) -> list[tuple[str, str]]:
    """Parameters and multiply-adds, each with its published value where there is one."""
    published = spec.published or Published(where="")
    return [
        ("parameters", _parameters(cost.parameters, published.parameters, published.where)),
        ("multiply-adds", _macs(cost.macs, published.macs, published.where)),
    ]


def agrees(exact: int, published: float) -> bool:
    """Whether `exact`, rounded to the digits that were published, is the published number."""
    digits = _digits(published)
    return float(f"{exact:.{digits}g}") == float(f"{published:.{digits}g}")


def _digits(published: float) -> int:
    return max(1, len(f"{published:.12f}".partition(".")[0].strip("0")))


def _parameters(exact: int, published: int | None, where: str) -> str:
    if published is None:
        return count(exact)
    if exact == published:
        return f"{count(exact)}, equal to the published count ({where})"
    return f"{count(exact)}, {exact - published:+,} from the published {count(published)} ({where})"


def _macs(exact: int, published: float | None, where: str) -> str:
    text = count(exact) if exact < 1e9 else f"{count(exact)} ({short(exact)})"
    if published is None:
        return text
    written = short(published, _digits(published))
    relation = "equal to" if agrees(exact, published) else f"{exact - int(published):+,} from"
    return f"{text}, {relation} the published {written} ({where})"
