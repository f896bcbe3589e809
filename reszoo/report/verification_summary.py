"""Summary of a verification: a line per claim of a bundle's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.counted import counted
from reszoo.report.text import table

if TYPE_CHECKING:
    from reszoo.exporting import Verification

_RESULTS = {True: "holds", False: "WRONG", None: "not checked"}


def verification_text(verification: Verification) -> str:
    """Returns a line per claim, and the number of claims that hold."""
    rows = [(_RESULTS[claim.held], claim.name, claim.words) for claim in verification.claims]
    claims = table(("result", "claim", "found"), rows, "lll")
    return f"{claims}\n\n{_count(verification)}"


def broken_text(verification: Verification) -> str:
    """Returns the claims that do not hold, each with what was found."""
    return "; ".join(f"{claim.name}: {claim.words}" for claim in verification.broken)


def _count(verification: Verification) -> str:
    holding = sum(claim.held is True for claim in verification.claims)
    unchecked = sum(claim.held is None for claim in verification.claims)
    texts = [f"{holding} of {counted(len(verification.claims), 'claim')} hold"]
    if unchecked:
        texts.append(f"{unchecked} not checked")
    if verification.broken:
        texts.append(f"{len(verification.broken)} wrong")
    return ", ".join(texts)
