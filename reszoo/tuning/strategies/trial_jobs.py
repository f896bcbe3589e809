"""Jobs of a candidate: its network and its cost, under a number."""

from __future__ import annotations

from dataclasses import dataclass

from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.space import Candidate
from reszoo.tuning.trial_log import TrialJob


@dataclass(frozen=True, slots=True)
class RungStep:
    """Where a trial stands: its bracket and round, and its epochs before and after."""

    bracket: int
    round: int
    from_epoch: int
    epochs: int


def trial_job(
    resolved: ResolvedSearch,
    candidate: Candidate,
    trial: int,
    place: tuple[int, ...],
    rung: RungStep | None = None,
) -> TrialJob:
    """Returns the job of a candidate; without a rung, it trains for all epochs.

    `place` is its place in the order of asking: the group and the number therein.
    """
    rung = rung or RungStep(0, 0, 0, resolved.max_epochs)
    architecture = resolved.space.spec(candidate)
    price = resolved.constraints.check(candidate).cost
    assert price is not None, "only feasible candidates are proposed"
    return TrialJob(
        trial=trial,
        bracket=rung.bracket,
        round=rung.round,
        from_epoch=rung.from_epoch,
        epochs=rung.epochs,
        changes=resolved.space.changes(candidate),
        architecture=architecture.model_copy(
            update={"name": f"{resolved.search.name}-{trial:04d}"}
        ),
        cost=price,
        measured=resolved.measured_costs(candidate),
        place=place,
        recipe=resolved.space.recipe(candidate) if resolved.space.searches_recipe else None,
    )
