"""Retraining of winners: the whole recipe on all training images, with several seeds, tested once.

The test split selects nothing: winners are chosen on held-out training images before they are
retrained, and what a retraining reaches changes neither them nor the proposals of a search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reszoo.errors import UserError
from reszoo.spec.recipe import Recipe, Validation
from reszoo.training.jobs.task import JobOutcome
from reszoo.tuning.events import NOTICE_SECONDS, Event, EventHandler, EventKind
from reszoo.tuning.further_jobs import seed_of
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.retrained_log import (
    RetrainRecord,
    append_retrained,
    read_retrained,
    write_retrained,
)
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_identity import read_identity
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.trial_engine import TrialEngine
from reszoo.tuning.trial_log import TrialJob, TrialTiming


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """Which winners are retrained, and how often."""

    networks: int = 1
    """Number of networks: the first ones of the front, or 1 for the best one."""
    seeds: int = 1
    """Number of trainings of each, with different seeds."""

    def check(self, resolved: ResolvedSearch) -> None:
        """Raises UserError for what cannot be retrained, before anything is trained."""
        if self.networks < 1 or self.seeds < 1:
            raise UserError(
                "a retraining needs at least one network and one seed",
                expected="numbers from 1",
                found=f"{self.networks} and {self.seeds}",
                hint="write --retrain --seeds 3",
            )
        if self.networks > 1 and len(resolved.search.goals) == 1:
            raise UserError(
                "a search with one objective has one winner to retrain",
                expected="--retrain, or --retrain 1",
                found=f"--retrain {self.networks}",
                hint="leave out the number; several networks need a front, such as that of "
                "`objectives: {val_accuracy: max, macs: min}`",
            )
        full_recipe(resolved.recipe, resolved.max_epochs)


def full_recipe(recipe: Recipe, epochs: int) -> Recipe:
    """Returns a recipe for all epochs and all training images; the last epoch is kept.

    Without held-out images nothing can end the training early.

    Raises:
      UserError: its schedule watches held-out images.
    """
    if recipe.schedule.kind == "plateau":
        raise UserError(
            f"the recipe {recipe.name} cannot train on all training images: its schedule watches "
            "held-out ones",
            expected="a schedule that is known before the training",
            found="schedule.kind plateau",
            hint="search with a recipe whose schedule is cosine, or leave out --retrain",
        )
    validation = Validation(fraction=0, keep="last")
    return recipe.model_copy(
        update={"epochs": epochs, "validation": validation, "early_stopping": None}
    )


def retraining_jobs(search_run: SearchRun, options: RetrainOptions) -> list[TrialJob]:
    """Returns the trainings of the winners of a search that has ended."""
    assert search_run.best is not None
    folder, resolved = search_run.folder, search_run.resolved
    winners = search_run.front[: options.networks] or [search_run.best]
    # The folder's own recipe has the epochs of a candidate.
    epochs = read_identity(folder.path).get("recipe_epochs") or resolved.recipe_epochs
    jobs = []
    for rank, winner in enumerate(winners):
        job = search_run.job_of(winner)
        recipe = full_recipe(job.recipe or resolved.recipe, epochs or resolved.max_epochs)
        jobs += [
            replace(
                job,
                kind="retrain",
                repeat=repeat,
                from_epoch=0,
                epochs=recipe.epochs,
                recipe=recipe,
                place=(rank, repeat),
            )
            for repeat in range(1, options.seeds + 1)
        ]
    return jobs


class Retraining:
    """Performs the trainings of the winners, as many at a time as the engine has workers.

    What was recorded before is not trained again, and an interrupted training is resumed.
    """

    def __init__(
        self,
        folder: SearchFolder,
        engine: TrialEngine,
        seed: int,
        progress: EventHandler | None = None,
        notice_seconds: float = NOTICE_SECONDS,
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._seed = seed
        self._progress = progress
        self._notice_seconds = notice_seconds
        self._records = {one.key: one for one in read_retrained(folder.retrained_log)}
        self._running: dict[int, TrialJob] = {}
        self._done = self._planned = 0

    def run(self, jobs: Sequence[TrialJob]) -> list[RetrainRecord]:
        """Performs jobs, and returns all records of the folder by trial and seed.

        Raises whatever the engine raises; whoever made the engine stops it.
        """
        self._write_log()  # without a last line that a power cut left unfinished
        self._planned = len(jobs)
        waiting = deque(enumerate(jobs))
        while waiting or self._running:
            while waiting and len(self._running) < self._engine.workers:
                self._begin(*waiting.popleft())
            if not self._running:
                continue
            if (ended := self._engine.wait(self._notice_seconds)) is None:
                self._notify_of_running()
                continue
            number, outcome = ended
            self._end(self._running.pop(number), outcome)
        self._write_log()
        return sorted(self._records.values(), key=lambda record: record.key)

    def _begin(self, number: int, job: TrialJob) -> None:
        if record := self._records.get((job.trial, job.repeat)):
            self._done += 1
            self._notify("recalled", job, record)
            return
        self._notify("begins", job)
        self._folder.write_candidate(job)
        self._folder.write_recipe(job)
        self._running[number] = job
        self._engine.submit(number, job)

    def _end(self, job: TrialJob, outcome: JobOutcome) -> None:
        record = RetrainRecord.of(job, outcome, seed_of(self._seed, job.repeat, job.kind))
        append_retrained(self._folder.retrained_log, record)
        self._folder.append_timing(TrialTiming.of(job, outcome))
        self._records[record.key] = record
        self._done += 1
        self._notify("ends", job, record)

    def _notify_of_running(self) -> None:
        epochs = self._engine.progress()
        for number, job in self._running.items():
            self._notify("trains", job, epoch=epochs.get(number))

    def _notify(
        self,
        kind: EventKind,
        job: TrialJob,
        record: RetrainRecord | None = None,
        epoch: Mapping[str, Any] | None = None,
    ) -> None:
        if self._progress is not None:
            done, planned = self._done, self._planned
            self._progress(Event(kind, job, None, done, planned, None, epoch, retrained=record))

    def _write_log(self) -> None:
        if self._records or self._folder.retrained_log.exists():
            write_retrained(self._folder.retrained_log, self._records.values())
