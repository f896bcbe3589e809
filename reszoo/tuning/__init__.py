"""Tuning: searches over depth, width and any other field of a spec, within limits on cost."""

from reszoo.training.jobs.task import JobOutcome as Outcome
from reszoo.tuning.dimensions import Choice, Dimension
from reszoo.tuning.events import Event, MeasureEvent
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.preview import Example, Preview
from reszoo.tuning.retrained_log import RetrainRecord, RetrainSummary
from reszoo.tuning.search_result import SearchResult
from reszoo.tuning.trial_log import TrialJob, TrialRecord

__all__ = [
    "Choice",
    "Dimension",
    "Event",
    "Example",
    "MeasureEvent",
    "Outcome",
    "Preview",
    "RetrainRecord",
    "RetrainSummary",
    "Rung",
    "SearchResult",
    "TrialJob",
    "TrialRecord",
]
