"""Result of verifying a bundle: the claims of its contract, and whether each holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Claim:
    """One claim of a contract, and whether it holds."""

    name: str
    """The file, and the property of it, that the claim is about."""
    held: bool | None
    """Whether it holds; None if it could not be checked on this machine."""
    words: str
    """What was found."""


@dataclass(frozen=True)
class Verification:
    """A bundle, and the claims of its contract checked against its files."""

    path: Path
    claims: tuple[Claim, ...]

    @property
    def held(self) -> bool:
        """Whether no claim that could be checked is wrong."""
        return not self.broken

    @property
    def broken(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(claim for claim in self.claims if claim.held is False)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        claims = [asdict(claim) for claim in self.claims]
        return {"bundle": str(self.path), "held": self.held, "claims": claims}


def equality(name: str, found: Any, claimed: Any, text: str = "") -> Claim:
    """Returns the claim that the value found is the one in the contract."""
    if found == claimed:
        return Claim(name, True, text or str(found))
    if isinstance(found, dict) and isinstance(claimed, dict):
        # Of a long list only what differs is worth reading.
        differing = sorted(
            key for key in found.keys() | claimed if found.get(key) != claimed.get(key)
        )
        found = {key: found.get(key) for key in differing}
        claimed = {key: claimed.get(key) for key in differing}
    return Claim(name, False, f"{_text(found)}, but the contract says {_text(claimed)}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items()) or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "none" if value is None else str(value)


def answer(name: str, found: np.ndarray, expected: dict[str, Any], what: str) -> Claim:
    """Returns the claim that a file gives the probabilities `(classes,)` in the contract.

    `expected` has `class`, `class_name`, `probabilities` and `tolerance`.
    """
    claimed = np.asarray(expected["probabilities"], np.float64)
    tolerance = float(expected["tolerance"])
    if found.shape != claimed.shape:
        return Claim(name, False, f"{found.size} outputs, but the contract says {claimed.size}")
    # NaN is outside any tolerance.
    difference = float(np.nan_to_num(np.abs(found - claimed).max(initial=0), nan=np.inf))
    held = difference <= tolerance and int(found.argmax()) == expected["class"]
    words = f"{what} within {difference:.2g} of the contract, which allows {tolerance:.2g}"
    if int(found.argmax()) != expected["class"]:
        words += f"; the top class is {found.argmax()}, not {expected['class']}"
    return Claim(name, held, words)
