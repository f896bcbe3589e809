"""The whole of a search: from its file to trials, a best spec and their summary."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reszoo.errors import GateError, UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Search
from reszoo.tuning.resolved_search import ResolvedSearch, prepare
from reszoo.tuning.search_dir import DEFAULT_FOLDER, SearchFolder, open_folder
from reszoo.tuning.search_run import Event, Runner, SearchRun
from reszoo.tuning.trial_log import TrialRecord, ranked
from reszoo.tuning.trial_process import ChildRunner, DataCheck, SearchData


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found."""

    path: Path
    """The search folder."""
    search: Search
    best: TrialRecord
    """The best trial, by held out training images."""
    spec: Architecture
    """The best network; `best.yaml` in the folder holds the same."""
    rows: tuple[TrialRecord, ...]
    """Every trial and rung, in the order in which they were trained."""
    rejected: Mapping[str, int]
    """How many candidates each limit turned away before they were trained."""
    planned: int
    """How many trainings were planned; fewer rows mean that the space was used up."""

    @property
    def trials(self) -> list[TrialRecord]:
        """The last row of each trial, best first, failed ones last."""
        return ranked(self.rows)

    @property
    def best_path(self) -> Path:
        """The best network as a spec, ready for `reszoo train`."""
        return SearchFolder(self.path).best_path

    @property
    def best_run(self) -> Path:
        """The run folder of the best trial."""
        return SearchFolder(self.path).run_path(self.best.trial)


def tune(
    search: Search | str | os.PathLike[str],
    data: str = "digits",
    *,
    out: Path | str | None = None,
    seed: int | None = None,
    skip_bad_images: bool = False,
    data_dir: Path | str | None = None,
    progress: Callable[[Event], None] | None = None,
    runner: Runner | None = None,
) -> SearchResult:
    """Searches for the best network of a space; the same call goes on with a search that was ended.

    Each trial is an ordinary run folder, trained in a child process. Candidates above a limit are
    turned away on their plans, before a trial exists. What is best is decided on training images
    that are held out, the same ones in every trial; the test split is never read.

        >>> import reszoo
        >>> result = reszoo.tune("digits_tiny")  # doctest: +SKIP
        >>> reszoo.train(result.spec, data="digits")  # doctest: +SKIP

    Args:
      search: the value, or its name or file.
      data: `digits`, `folder:PATH` or `tfds:NAME`.
      out: the search folder; `searches/<search>-<data>` unless given.
      seed: replaces the search's: of the candidates drawn, the images held out and every training.
      skip_bad_images: leave broken image files out instead of refusing the data.
      data_dir: where downloaded data sets lie.
      progress: called when a training begins or ends, and for each one recalled.
      runner: trains a job instead of a child process; the data are then its own affair.

    Returns:
      The result; the folder holds all of it.

    Raises:
      UserError: the search or the data cannot be used, nothing is within the limits, or the folder
        holds another search.
      GateError: no trial finished.
      KeyboardInterrupt: Ctrl-C; the training was stopped first, and all can go on.
    """
    if not isinstance(data, str):
        raise UserError(
            "a search needs the name of its data, for its trials are trained in other processes",
            expected="digits, folder:PATH or tfds:NAME",
            found=type(data).__name__,
            hint="save the arrays as a folder of images",
        )
    words = SearchData(data, skip_bad_images, None if data_dir is None else Path(data_dir))
    setup = prepare(search, seed=seed)
    if runner is None:
        setup = _with_classes_of(words, setup, search, seed)
    path = Path(out) if out is not None else DEFAULT_FOLDER / f"{setup.search.name}-{_word(data)}"
    about = {"name": data, "skip_bad_images": skip_bad_images, "classes": setup.space.base.classes}
    folder = open_folder(path, setup, about)
    with folder.owned():
        folder.wait_for_training()
        session = SearchRun(setup, folder, runner or ChildRunner(folder, setup, words), progress)
        rejected = _run(setup, session)
        return _result(setup, folder, session, rejected)


def _with_classes_of(
    data: SearchData,
    setup: ResolvedSearch,
    search: Search | str | os.PathLike[str],
    seed: int | None,
) -> ResolvedSearch:
    """The setup for networks with the data's number of classes, once the data are seen to fit."""
    check = DataCheck(data, setup)
    try:
        # Takes as long as the check; the two go on side by side.
        import reszoo.tuning.tuner  # noqa: F401

        count = len(check.classes())
    finally:
        check.close()
    return setup if count == setup.space.base.classes else prepare(search, classes=count, seed=seed)


def _run(setup: ResolvedSearch, session: SearchRun) -> Mapping[str, int]:
    from reszoo.tuning.tuner import ChildTuner

    tuner = ChildTuner(setup, session)
    tuner.search()
    return dict(tuner.oracle.rejected)


def _result(
    setup: ResolvedSearch, folder: SearchFolder, session: SearchRun, rejected: Mapping[str, int]
) -> SearchResult:
    best, architecture = session.best, session.best_architecture
    if best is None or architecture is None:
        last = session.rows[-1].message if session.rows else None
        raise GateError(
            f"none of the {len(session.rows)} trainings finished, so there is no best network",
            where=str(folder.path / "trials.jsonl"),
            found=last,
            hint=f"see {folder.path / 'logs'}; then search anew in another folder",
        )
    return SearchResult(
        path=folder.path,
        search=setup.search,
        best=best,
        spec=architecture,
        rows=tuple(session.rows),
        rejected=rejected,
        planned=setup.planned,
    )


def _word(data: str) -> str:
    """The data's name as part of a folder's: `folder:photos/cats` is `cats`."""
    last = data.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return re.sub(r"[^\w.-]+", "-", last).strip("-.") or "data"
