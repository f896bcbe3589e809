"""Sampling of candidates within the measured limits: each is measured as it is drawn."""

from __future__ import annotations

from collections import Counter

from reszoo.errors import UserError
from reszoo.spec.search import Search
from reszoo.tuning.measured_limits import MeasuredLimits
from reszoo.tuning.sampling import CandidateSampler
from reszoo.tuning.space import Candidate, Space

MAX_REJECTED = 100
"""This many candidates in a row outside the measured limits end the drawing: each takes seconds."""


class MeasuredSampler:
    """Draws the candidates of another sampler that are within the measured limits.

    What it draws is a function of the search, its seed and what was measured.
    """

    def __init__(
        self, sampler: CandidateSampler, measured: MeasuredLimits, search: Search, space: Space
    ) -> None:
        self._sampler = sampler
        self._measured = measured
        self._search = search
        self._space = space
        self._rejected: Counter[str] = Counter()
        self._accepted = 0

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit has turned away."""
        return self._sampler.rejected + self._rejected

    @property
    def gave_up(self) -> str | None:
        """A sentence if the search ended although the space may have other candidates that fit."""
        return self._sampler.gave_up

    @property
    def drawn_of_more(self) -> int | None:
        """Number of candidates drawn; None once all of the space is drawn."""
        return self._sampler.drawn_of_more

    def draw(self) -> Candidate | None:
        """Returns a candidate that was not drawn before; None when there is no other.

        Raises:
          UserError: none that passed its plan is within the measured limits.
        """
        last = ""
        for _ in range(MAX_REJECTED):
            candidate = self._sampler.draw()
            if candidate is None:
                break
            violations = self._measured.check(self._space.spec(candidate))
            if not violations:
                self._accepted += 1
                return candidate
            self._rejected.update(violations.keys())
            last = next(iter(violations.values()))
        else:
            self._sampler.give_up(
                f"{MAX_REJECTED} candidates in a row were outside the measured limits"
            )
        if last and not self._accepted:
            raise self._nothing_within(last)
        return None

    def _nothing_within(self, last: str) -> UserError:
        rejected = ", ".join(f"{name} {count}" for name, count in self._rejected.items())
        return UserError(
            f"no candidate is within the measured limits; rejected by {rejected}",
            where=self._search.where("limits"),
            expected="a candidate within the limits among those that pass their plans",
            found=f"the last one: {last}",
            hint="raise the limit, or add a limit such as `peak_activation_bytes` or `macs`, which "
            "rejects candidates without measuring",
        )
