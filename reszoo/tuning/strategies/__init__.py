"""Strategies: each proposes the trials of a search, from its seed and the results so far.

None keeps a state on disk. A search that is resumed asks for the same jobs again and tells the
recorded results.
"""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import Protocol

from reszoo.errors import UserError
from reszoo.spec.search import Search
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.trial_log import TrialJob, TrialRecord

ON_TENSORFLOW = ("random", "hyperband", "bayesian")
"""The kinds whose process imports TensorFlow, because keras-tuner does."""


def require_strategy(search: Search) -> None:
    """Raises UserError where the strategy of a search needs a package that is not installed."""
    kind = search.strategy.kind
    if kind in ("tpe", "pareto") and find_spec("optuna") is None:
        raise UserError(
            f"the strategy {kind} needs Optuna, which is not installed",
            where=search.where("strategy", "kind"),
            expected="optuna>=5,<6",
            hint="`pip install 'reszoo[optuna]'`, or write `kind: bayesian`",
        )


class Proposer(Protocol):
    """Proposes jobs; what it proposes depends on neither the number nor the speed of workers."""

    @property
    def rejected(self) -> Counter[str]:
        """Number of candidates that each limit turned away before they became trials."""

    def ask(self, room: int) -> list[TrialJob]:
        """Returns at most `room` further jobs, fewer where they depend on results to come."""

    def tell(self, job: TrialJob, record: TrialRecord) -> None:
        """Takes a result; those of a group come in the order in which its jobs were asked for."""


def create_proposer(resolved: ResolvedSearch, workers: int = 1) -> Proposer:
    """Returns the strategy of a search.

    The number of workers may change the order in which independent jobs are asked for, so that
    none is idle; it changes no job.
    """
    match resolved.search.strategy.kind:
        case "grid" | "list":
            from reszoo.tuning.strategies.in_order import InOrderProposer

            return InOrderProposer(resolved)
        case "tpe" | "pareto":
            from reszoo.tuning.strategies.optuna_samplers import OptunaProposer

            return OptunaProposer(resolved)
        case "bayesian":
            from reszoo.tuning.strategies.bayesian import BayesianProposer

            return BayesianProposer(resolved)
        case _:
            from reszoo.tuning.strategies.keras_oracles import OracleProposer

            return OracleProposer(resolved, workers)
