"""Trainings beside those of the strategy: references, and the best candidates with other seeds."""

from __future__ import annotations

import random
import statistics
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reszoo.errors import UserError
from reszoo.planning.cost import cost
from reszoo.spec.search import Search
from reszoo.spec.search_strategy import Confirm
from reszoo.tuning.initial_candidates import load_architecture
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.strategies import Proposer
from reszoo.tuning.trial_log import Kind, TrialJob, TrialRecord


class FixedJobs:
    """Proposes jobs that depend on no result."""

    def __init__(self, jobs: Iterable[TrialJob]) -> None:
        self.rejected: Counter[str] = Counter()
        self._jobs = deque(jobs)

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs."""
        return [self._jobs.popleft() for _ in range(min(room, len(self._jobs)))]

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes a result, which changes nothing."""


class WithReferences:
    """Proposes the jobs of a strategy, and references where there is room."""

    def __init__(self, proposer: Proposer, references: Iterable[TrialJob]) -> None:
        self._proposer = proposer
        self._references = FixedJobs(references)

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""
        return self._proposer.rejected

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs, fewer where they depend on results to come."""
        jobs = self._proposer.ask(room)
        return jobs + self._references.ask(room - len(jobs))

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes the result of a job."""
        if job.kind == "trial":
            self._proposer.tell(job, record)


def reference_jobs(resolved: ResolvedSearch) -> list[TrialJob]:
    """Returns the trainings of the search's references, for all epochs of its recipe.

    Raises:
      UserError: there is no such spec, or it takes other images than the base.
    """
    search, base = resolved.search, resolved.space.base
    jobs = []
    for number, name in enumerate(search.references, 1):
        where = search.where("references", number - 1)
        architecture = load_architecture(search, name, where)
        if architecture.input.shape != base.input.shape:
            raise UserError(
                f"the reference '{name}' takes other images than the base",
                where=where,
                expected=f"input.shape {list(base.input.shape)}",
                found=f"input.shape {list(architecture.input.shape)}",
                hint=f"remove '{name}' from `references`",
            )
        architecture = architecture.model_copy(update={"classes": base.classes})
        jobs.append(
            TrialJob(
                trial=number,
                bracket=0,
                round=0,
                from_epoch=0,
                epochs=resolved.max_epochs,
                changes={},
                architecture=architecture,
                cost=cost(architecture),
                kind="reference",
                place=(0, number),
            )
        )
    return jobs


def confirming_jobs(
    resolved: ResolvedSearch, ranking: Sequence[TrialRecord], jobs: Mapping[int, TrialJob]
) -> list[TrialJob]:
    """Returns the further trainings of the best trials, each from the beginning.

    `ranking` has the trials, best first, and `jobs` the last job of each by its number.
    """
    confirm = resolved.search.confirm
    if confirm is None:
        return []
    return [
        replace(
            jobs[record.trial],
            kind="confirm",
            repeat=repeat,
            from_epoch=0,
            place=(rank, repeat),
        )
        for rank, record in enumerate(_to_confirm(confirm, ranking))
        for repeat in range(1, confirm.seeds + 1)
    ]


def _to_confirm(confirm: Confirm, ranking: Sequence[TrialRecord]) -> list[TrialRecord]:
    longest = [one for one in ranking if one.state == "finished"]
    return [one for one in longest if one.epochs == longest[0].epochs][: confirm.best]


def without_outdated(
    records: Sequence[TrialRecord], ranking: Sequence[TrialRecord], search: Search
) -> list[TrialRecord]:
    """Returns records without those that confirmed trials which others have overtaken since.

    A search that goes on with more trials may have other best ones to confirm.
    """
    confirm = search.confirm
    best = {one.trial for one in _to_confirm(confirm, ranking)} if confirm else set()
    seeds = confirm.seeds if confirm else 0
    return [
        record
        for record in records
        if record.kind != "confirm" or (record.trial in best and record.repeat <= seeds)
    ]


def seed_of(seed: int, repeat: int, kind: Kind = "confirm") -> int:
    """Returns the seed of a training: of its weights, order, augmentation and held-out images.

    All are drawn from that of the search; retrainings share none with the trainings that select.
    """
    return random.Random(f"reszoo {kind} {seed} {repeat}").randrange(2**31) if repeat else seed


def best_by_mean(ranking: Sequence[TrialRecord], means: Mapping[int, float]) -> TrialRecord:
    """Returns the trial of the highest mean over all seeds; among equals, the first one ranked.

    `means` are those of `mean_accuracies`; trials without one come after all others.
    """
    return max(ranking, key=lambda record: means.get(record.trial, -1.0))


def mean_accuracies(records: Iterable[TrialRecord]) -> dict[int, float]:
    """Returns the mean over all seeds of each trial that was confirmed, by its number.

    A trial of which a training failed has none.
    """
    confirmed: dict[int, list[float | None]] = {}
    firsts: dict[int, float | None] = {}
    for record in records:
        if record.kind == "confirm":
            confirmed.setdefault(record.trial, []).append(record.val_accuracy)
        elif record.kind == "trial":
            firsts[record.trial] = record.val_accuracy
    return {
        trial: statistics.fmean(value for value in values if value is not None)
        for trial, others in confirmed.items()
        if None not in (values := [firsts[trial], *others])
    }
