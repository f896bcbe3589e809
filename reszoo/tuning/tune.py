"""Searches as a whole: from a file to trials, the best spec and their summary."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.runs.run_dir import default_name
from reszoo.spec.search import Search
from reszoo.training.jobs.data_check import DataCheck
from reszoo.training.jobs.engines import EngineOptions
from reszoo.training.jobs.task import DataArguments
from reszoo.training.teacher_record import TEACHERS, as_list, find_teacher
from reszoo.tuning.events import NOTICE_SECONDS, EventHandler, MeasureEvent
from reszoo.tuning.extension import extend_folder, other_changes
from reszoo.tuning.further_jobs import reference_jobs
from reszoo.tuning.measured_limits import measured_limits
from reszoo.tuning.open_search import continue_folder, held_search, open_search_folder
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search
from reszoo.tuning.retrained_log import read_retrained
from reszoo.tuning.retraining import Retraining, RetrainOptions, retraining_jobs
from reszoo.tuning.search_dir import DEFAULT_FOLDER, SearchFolder
from reszoo.tuning.search_identity import read_identity
from reszoo.tuning.search_result import SearchResult, nothing_finished
from reszoo.tuning.search_run import SearchRun
from reszoo.tuning.strategies import ON_TENSORFLOW, create_proposer, require_strategy
from reszoo.tuning.trial_engine import Runner, RunnerEngine, TaskEngine, TrialEngine

TeacherPaths: TypeAlias = "Run | Path | str | Sequence[Run | Path | str]"
"""One teacher of all trainings, or several whose answers are averaged."""
_DISTRIBUTED = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
"""Variables that make keras-tuner serve its oracle, or wait for one, for ever."""


def tune(
    search: Search | str | os.PathLike[str],
    data: str = "digits",
    *,
    out: Path | str | None = None,
    seed: int | None = None,
    skip_bad_images: bool = False,
    data_dir: Path | str | None = None,
    teacher: TeacherPaths | None = None,
    jobs: int | None = None,
    ray: str | None = None,
    per_trial: str | None = None,
    extend: bool = False,
    retrain: int | None = None,
    seeds: int = 1,
    progress: EventHandler | None = None,
    progress_seconds: float = NOTICE_SECONDS,
    runner: Runner | None = None,
) -> SearchResult:
    """Searches a space for the best network; the same call resumes an interrupted search.

    Each trial is an ordinary run folder, trained in a child process. Candidates above a limit are
    rejected by their plans, before a trial exists. The best is chosen on held-out training images,
    the same ones in every trial; the test split never selects.

        >>> import reszoo
        >>> result = reszoo.tune("digits_tiny")  # doctest: +SKIP
        >>> reszoo.train(result.spec, data="digits")  # doctest: +SKIP

    Args:
      search: a search, its name in the zoo, or its file. A folder that was begun with an earlier
        version of the file continues with the version that it holds, with a warning.
      data: `digits`, `folder:PATH` or `tfds:NAME`.
      out: the search folder. Defaults to `searches/<search>-<data>`.
      seed: seed of the candidates drawn, the held-out images and every training. Defaults to that
        of the search.
      skip_bad_images: whether to leave out broken image files instead of refusing the data.
      data_dir: the folder of downloaded data sets.
      teacher: the teacher of every training (distillation): a run or a `.keras` file; a list of
        them is averaged. The teachers are part of the search's identity.
      jobs: number of trainings at a time on this machine. Defaults to 1. Results do not depend on
        it if each training has the same number of threads.
      ray: trains on the nodes of a Ray cluster instead, as many at a time as they have room for:
        the address of its head, or `auto`. They share the search folder.
      per_trial: what each training gets, such as `cpus=2,gpus=1`. Defaults to an equal part of
        this machine's cores and GPUs, or to one CPU of a node.
      extend: continues the folder of this search with a page that has more choices, trials or
        iterations; recorded trials stay and count.
      retrain: number of winners that are trained on all training images afterwards, for all epochs
        of the recipe, and tested: 1 for the best, more for the first ones of a front. The search
        is over by then, and nothing is selected by the test split.
      seeds: number of those trainings of each winner, with different seeds.
      progress: called when a training begins or ends, for each one recalled, and before a
        candidate is measured.
      progress_seconds: seconds after which `progress` is called for each training that runs, if
        none has ended meanwhile.
      runner: trains a job in place of a child process; it opens the data itself.

    Returns:
      The result, all of which is in the folder too.

    Raises:
      UserError: the search or the data cannot be used, no candidate is feasible, or the folder
        holds another search.
      GateError: no trial finished.
      KeyboardInterrupt: Ctrl-C; the training was stopped first, and the search can be resumed.
    """
    _require_name(data)
    refuse_distributed_search()
    options = EngineOptions(jobs, ray, per_trial)
    options.check()
    folder_of_data = None if data_dir is None else Path(data_dir)
    teachers = tuple(map(find_teacher, as_list(teacher)))
    search_data = DataArguments(data, skip_bad_images, folder_of_data, teachers)
    retraining = None if retrain is None else RetrainOptions(retrain, seeds)
    resolved = _resolve(search, seed, retraining, None if runner else search_data)
    if runner is None:
        options.capacity()  # so that a cluster without room is told before a folder is made
    path = DEFAULT_FOLDER / default_name(resolved.search.name, data) if out is None else Path(out)
    folder, resolved = _open_folder(path, resolved, search_data, extend, isinstance(search, Search))
    with folder.lock(), _with_measured_limits(resolved, folder, progress) as resolved:
        folder.wait_for_training()
        folder.record_teachers(teachers)
        with _engine(options, runner, folder, resolved, search_data) as engine:
            search_run = SearchRun(resolved, folder, engine, progress, progress_seconds)
            result = _search(search_run, search_data)
            if retraining is None:
                return result
            winners = Retraining(folder, engine, resolved.search.seed, progress, progress_seconds)
            retrained = winners.run(retraining_jobs(search_run, retraining))
            return replace(result, retrained=tuple(retrained))


def refuse_distributed_search() -> None:
    """Raises UserError where the environment makes keras-tuner share a search with other hosts."""
    if variables := [name for name in _DISTRIBUTED if name in os.environ]:
        raise UserError(
            "the environment asks for keras-tuner's distributed search, which is not supported",
            expected=f"no variable {' or '.join(_DISTRIBUTED)}",
            found=", ".join(f"{name}={os.environ[name]}" for name in variables),
            hint=f"`unset {' '.join(variables)}`, then run the same command again",
        )


def _require_name(data: object) -> None:
    if not isinstance(data, str):
        raise UserError(
            "a search needs the name of its data, because its trials run in other processes",
            expected="digits, folder:PATH, csv:FILE or tfds:NAME",
            found=type(data).__name__,
            hint="save the arrays as a folder of images",
        )


def _resolve(
    search: Search | str | os.PathLike[str],
    seed: int | None,
    retraining: RetrainOptions | None,
    data: DataArguments | None,
) -> ResolvedSearch:
    """Reads a search and checks all of it; its networks get the classes of the data, if given."""
    resolved = resolve_search(search, seed=seed)
    require_strategy(resolved.search)
    if retraining is not None:
        retraining.check(resolved)
    reference_jobs(resolved)  # so that a missing one is told before anything is trained
    if data is None:
        return resolved
    classes = _count_classes(data, resolved)
    if classes == resolved.space.base.classes:
        return resolved
    return resolve_search(search, classes=classes, seed=seed)


def _open_folder(
    path: Path, resolved: ResolvedSearch, data: DataArguments, extend: bool, is_exact: bool
) -> tuple[SearchFolder, ResolvedSearch]:
    """Opens or creates the folder of a search, and returns the search that goes on in it.

    That is the one which the folder holds, if the page has changed since; not if `is_exact`.
    """
    facts: dict[str, Any] = {
        "name": data.name,
        "skip_bad_images": data.skip_bad_images,
        "classes": resolved.space.base.classes,
    }
    if data.teachers:  # by their contents: a teacher may move while a search goes on
        facts[TEACHERS] = [teacher.sha256 for teacher in data.teachers]
    if extend:
        extend_folder(path, resolved, facts)
    resolved = continue_folder(path, resolved)
    if not is_exact:
        page = resolved
        resolved, changed = held_search(path, page, facts)
        if changed is not None:
            extends = not list(other_changes(resolved, read_identity(path), page, facts))
            _note_changes(path, changed, extends=extends)
    return open_search_folder(path, resolved, facts), resolved


def _note_changes(path: Path, changed: str, *, extends: bool) -> None:
    other = "--extend searches what was added" if extends else "-o names another folder for it"
    warnings.warn(
        f"the page of the search has changed in {changed}; {path} goes on with the "
        f"search.yaml that it holds ({other})",
        stacklevel=4,
    )


@contextmanager
def _with_measured_limits(
    resolved: ResolvedSearch, folder: SearchFolder, progress: EventHandler | None
) -> Iterator[ResolvedSearch]:
    """Yields a search with its measured limits, whose helper process ends with the block."""

    def announce(number: int) -> None:
        if progress is not None:
            progress(MeasureEvent(number))

    log = folder.measured_log
    with measured_limits(resolved.search, resolved.target, log, announce) as measured:
        yield replace(resolved, measured=measured)


@contextmanager
def _engine(
    options: EngineOptions,
    runner: Runner | None,
    folder: SearchFolder,
    resolved: ResolvedSearch,
    data: DataArguments,
) -> Iterator[TrialEngine]:
    """Yields the engine of the trials, and stops it in the end."""
    engine: TrialEngine
    if runner is not None:
        engine = RunnerEngine(runner)
    else:
        tasks = options.create(folder.path)
        _note_threads(folder, tasks.threads)
        engine = TaskEngine(tasks, folder, resolved, data)
    try:
        yield engine
    finally:
        engine.stop()


def _note_threads(folder: SearchFolder, threads: int) -> None:
    """Warns where the trainings of a resumed search have other threads than before."""
    before = folder.record_threads(threads)
    if before is not None:
        warnings.warn(
            f"each training has {threads} CPU threads now and had {before} before: accuracies may "
            f"differ from those of an uninterrupted search (--per-trial cpus={before} avoids it)",
            stacklevel=1,
        )


def _count_classes(data: DataArguments, resolved: ResolvedSearch) -> int:
    """Checks that the data fit the search, and returns their number of classes."""
    with closing(_data_check(data, resolved)) as check:
        # Imported meanwhile: it takes as long as the check.
        if resolved.search.strategy.kind in ON_TENSORFLOW:
            import reszoo.tuning.strategies.keras_oracles  # noqa: F401

        return len(check.classes())


def _data_check(data: DataArguments, resolved: ResolvedSearch) -> DataCheck:
    return DataCheck(data, resolved.space.base, resolved.recipe, seed=resolved.search.seed)


def _search(search_run: SearchRun, data: DataArguments) -> SearchResult:
    """Performs all trainings of a search and returns its result."""
    folder, resolved = search_run.folder, search_run.resolved
    proposer = create_proposer(resolved, search_run.workers)
    search_run.run(proposer)
    best, architecture = search_run.best, search_run.best_architecture
    if best is None or architecture is None:
        raise nothing_finished(folder, search_run.records)
    return SearchResult(
        path=folder.path,
        search=resolved.search,
        best=best,
        spec=architecture,
        records=tuple(search_run.records),
        rejected=dict(proposer.rejected),
        planned=resolved.planned_trainings,
        data=data.name,
        skip_bad_images=data.skip_bad_images,
        teachers=data.teachers,
        gave_up=resolved.constraints.gave_up,
        retrained=tuple(read_retrained(folder.retrained_log)),
    )
