"""Lines for the events of a search: trainings that begin, run, ended or were recalled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.counted import counted
from reszoo.report.measured_summary import duration
from reszoo.report.search_summary import changes_text, outcome_text
from reszoo.report.text import format_percent

if TYPE_CHECKING:
    from reszoo.tuning import Event, RetrainRecord, TrialJob


def event_text(event: Event) -> str | None:
    """Returns a line for a training that runs, ended or was recalled, and for the first of all."""
    if event.job.kind == "retrain":
        return _retraining_text(event)
    training = f"{event.done}/{event.planned}  {job_text(event.job)}"
    if event.kind == "trains":
        return "  ".join(filter(None, (f"{training}, {_epoch_text(event)}", rest_text(event))))
    if event.record is None:
        if event.done:
            return None
        begins = f"{training}, {counted(event.job.epochs, 'epoch')}: begins"
        return f"{begins}  {changes_text(event.job.changes)}".rstrip()
    record = event.record
    recalled = " (from before)" if event.kind == "recalled" else ""
    outcome = f"{counted(record.epochs, 'epoch')}: {outcome_text(record)}{recalled}"
    parts = (f"{training}, {outcome}", changes_text(record.changes), rest_text(event))
    return "  ".join(filter(None, parts))


def job_text(job: TrialJob) -> str:
    """Returns what a job trains: `trial 7`, `trial 7 with seed 2`, `reference resnet8`."""
    if job.kind == "reference":
        return f"reference {job.architecture.name}"
    return f"trial {job.trial} with seed {job.repeat}" if job.repeat else f"trial {job.trial}"


def rest_text(event: Event) -> str:
    """Returns the best accuracy so far, and how long the search still takes, as far as known."""
    parts = []
    if event.best is not None:
        parts.append(f"best: {format_percent(event.best.val_accuracy)}")
    if event.seconds_left is not None:
        minutes = max(1, round(event.seconds_left / 60))
        parts.append(f"about {duration(60 * minutes)} left")
    return "  ".join(parts)


def _epoch_text(event: Event) -> str:
    """Returns how far a training is, with its accuracy."""
    if event.epoch is None:
        first = event.job.from_epoch + 1
        return f"epoch {first} of {event.job.epochs}: begun"
    text = f"epoch {event.epoch.get('epoch')} of {event.job.epochs}"
    accuracy = event.epoch.get("val_accuracy")
    return text if accuracy is None else f"{text}: {format_percent(accuracy)}"


def _retraining_text(event: Event) -> str | None:
    """Returns a line for a winner that is trained on all training images."""
    job = event.job
    training = f"retraining {event.done}/{event.planned}  {job_text(job)}"
    if event.kind == "trains":
        return f"{training}, {_epoch_text(event)}"
    if event.retrained is None:
        return None if event.done else f"{training}, {counted(job.epochs, 'epoch')}: begins"
    recalled = " (from before)" if event.kind == "recalled" else ""
    outcome = _test_outcome(event.retrained)
    return f"{training}, {counted(job.epochs, 'epoch')}: {outcome}{recalled}"


def _test_outcome(record: RetrainRecord) -> str:
    if record.state == "failed":
        return "failed"
    accuracy = record.test_accuracy
    return "no test split" if accuracy is None else f"test {format_percent(accuracy)}"
