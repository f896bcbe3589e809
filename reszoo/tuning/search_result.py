"""The result of a search, as the search returns it or as its folder holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reszoo import spec
from reszoo.errors import GateError, UserError
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.training.teacher_record import TeacherRecord, read_records
from reszoo.tuning.front import front_of, ranked
from reszoo.tuning.further_jobs import best_by_mean, mean_accuracies, without_outdated
from reszoo.tuning.retrained_log import (
    RetrainRecord,
    RetrainSummary,
    read_retrained,
    summarize,
)
from reszoo.tuning.search_dir import SearchFolder
from reszoo.tuning.search_identity import read_identity
from reszoo.tuning.trial_log import TrialRecord


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search."""

    path: Path
    """The search folder."""
    search: Search
    best: TrialRecord
    """The best trial by accuracy on held-out training images."""
    spec: Architecture
    """The best network, as in `best.yaml`."""
    records: tuple[TrialRecord, ...]
    """Every trial and rung, in the order of training."""
    rejected: Mapping[str, int]
    """Number of candidates that each limit turned away before they were trained."""
    planned: int
    """Number of trainings planned; fewer records mean that the space was exhausted."""
    data: str
    """The data, as given."""
    skip_bad_images: bool
    teachers: tuple[TeacherRecord, ...] = ()
    """The teachers of all trainings."""
    gave_up: str | None = None
    """A sentence if the search ended although the space may have other candidates that fit."""
    retrained: tuple[RetrainRecord, ...] = ()
    """The winners trained on all training images and tested, by trial and seed, if asked for."""
    is_finished: bool = True
    """Whether the search has ended; False where its folder was read and trainings are missing."""

    @property
    def means(self) -> dict[int, float]:
        """The mean accuracy over all seeds of each trial that was confirmed, by its number."""
        return mean_accuracies(self.records)

    @property
    def front(self) -> list[TrialRecord]:
        """The trials that no other one beats in all objectives; none for a single objective."""
        return front_of(self.records, self.search.goals)

    @property
    def trials(self) -> list[TrialRecord]:
        """The last record of each trial, best first, failed ones last.

        Those that were confirmed stand first, in the order of their means.
        """
        means = self.means
        records = ranked(self.records, self.search.goals)
        return sorted(records, key=lambda record: -means.get(record.trial, -1.0))

    @property
    def winners(self) -> list[RetrainSummary]:
        """The test accuracy of each winner that was trained on all training images."""
        return summarize(self.retrained)

    @property
    def references(self) -> list[TrialRecord]:
        """The records of the references, in the order of the search."""
        return [record for record in self.records if record.kind == "reference"]

    @property
    def best_path(self) -> Path:
        """The spec of the best network, for `reszoo train`."""
        return SearchFolder(self.path).best_path

    @property
    def recipe_path(self) -> Path:
        """The recipe of the best trial."""
        folder = SearchFolder(self.path)
        own = folder.best_recipe_path
        return own if own.is_file() else folder.recipe_path

    @property
    def best_run(self) -> Path:
        """The run folder of the best trial."""
        return SearchFolder(self.path).run_path(self.best.trial)

    @property
    def held_out_images(self) -> int | None:
        """Number of images that judged the best trial; None where its run is missing."""
        try:
            return int(Run.open(self.best_run).data()["validation"]["images"])
        except (UserError, OSError, KeyError, TypeError, ValueError):
            return None

    def interval(self, accuracy: float | None) -> tuple[float, float] | None:
        """Returns the 95 % confidence interval of an accuracy on the held-out images.

        Returns None without an accuracy, and where the number of images is unknown.
        """
        images = self.held_out_images
        if images is None or accuracy is None:
            return None
        from reszoo.inference.metrics import wilson_interval

        return wilson_interval(round(accuracy * images), images)


def read_result(path: Path | str) -> SearchResult:
    """Reads the result so far of a search folder; nothing is trained.

    Raises:
      UserError: it is no search folder, or damaged.
      GateError: no training has finished yet.
    """
    folder = SearchFolder(Path(path))
    if not (folder.path / "search.json").is_file():
        raise UserError(
            f"{path} is not a search folder",
            expected="a folder that `reszoo tune` created",
            hint="name the folder of a search, such as searches/digits_tiny-digits",
        )
    identity = read_identity(folder.path)
    search = spec.load_search(str(folder.path / "search.yaml"))
    search = search.model_copy(update={"seed": identity["seed"]})
    records = folder.records()
    ranking = ranked(records, search.goals)
    records = without_outdated(records, ranking, search)
    if not ranking or ranking[0].state == "failed" or not folder.best_path.is_file():
        raise nothing_finished(folder, records)
    planned = identity["budget"] + search.further_trainings
    return SearchResult(
        path=folder.path,
        search=search,
        best=best_by_mean(ranking, mean_accuracies(records)),
        spec=spec.load(folder.best_path),
        records=tuple(records),
        rejected={},
        planned=planned,
        data=identity["data"]["name"],
        skip_bad_images=identity["data"].get("skip_bad_images", False),
        teachers=tuple(read_records(identity)),
        retrained=tuple(read_retrained(folder.retrained_log)),
        is_finished=len(records) >= planned,
    )


def nothing_finished(folder: SearchFolder, records: Sequence[TrialRecord]) -> GateError:
    """Returns the error for a search in which no training finished."""
    if not records:
        return GateError(
            f"no training of the search in {folder.path} has ended yet",
            where=str(folder.trial_log),
            expected="a search with at least one trial",
            hint=f"wait for it, or resume the search; {folder.path / 'logs'} holds what its "
            "trainings print",
        )
    return GateError(
        f"none of the {len(records)} trainings finished: there is no best network",
        where=str(folder.trial_log),
        found=records[-1].message if records else None,
        hint=f"see {folder.path / 'logs'}; then start the search again in another folder",
    )
