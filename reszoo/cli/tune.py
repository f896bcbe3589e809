"""Search depth, width and other fields with keras-tuner, within limits on cost.

The same command resumes an interrupted search.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from reszoo import spec
from reszoo.cli.early_checks import check_data, check_teachers
from reszoo.cli.options import (
    add_data,
    add_output,
    add_overrides,
    add_teacher,
    nonnegative_int,
    positive_int,
)
from reszoo.cli.output import print_warnings
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.report.measured_summary import measured_text, time_text
from reszoo.report.search_preview import preview_text
from reszoo.report.search_progress import SearchProgress
from reszoo.report.search_summary import result_text
from reszoo.report.text import facts, format_command

if TYPE_CHECKING:
    from reszoo.spec.search import Search


def add_options(parser: ArgumentParser) -> None:
    names = ", ".join(spec.names_of("search"))
    parser.add_argument(
        "search", metavar="SEARCH", help=f"{names}, or a YAML file; with --show, a search folder"
    )
    add_overrides(parser, "a field, such as limits.parameters=50000")
    add_data(parser, default="digits")
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print the space, its cost and the planned trainings; train nothing",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="with --plan: also estimate the time, from a training step of three candidates",
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="print the trials of a search folder and what to do next; train nothing",
    )
    parser.add_argument(
        "--extend",
        action="store_true",
        help="continue the folder with choices, trials or iterations that were added to the search",
    )
    parser.add_argument("--seed", type=nonnegative_int, help="random seed (overrides the search)")
    add_output(parser, "FOLDER", "the search folder (default: searches/SEARCH-DATA)")
    add_teacher(
        parser.add_argument_group("distillation (docs/distillation.md)"),
        "the teacher of every training, as in reszoo train; may be repeated to average several",
    )
    after = parser.add_argument_group("after the search")
    after.add_argument(
        "--retrain",
        type=positive_int,
        nargs="?",
        const=1,
        metavar="N",
        help="train the best network, or the first N of a front, for all epochs of the recipe on "
        "all training images, and test it",
    )
    after.add_argument(
        "--seeds",
        type=positive_int,
        metavar="N",
        help="with --retrain: trainings of each network, with different seeds (default: 1)",
    )
    several = parser.add_argument_group("several trainings at a time")
    several.add_argument(
        "--jobs", type=positive_int, metavar="N", help="trainings at a time here (default: 1)"
    )
    several.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="train on the nodes of a Ray cluster that share the folder: HOST:PORT of its head, or "
        "auto",
    )
    several.add_argument(
        "--per-trial",
        metavar="RESOURCES",
        help="what each training gets, such as cpus=2,gpus=1 (default: an equal part of this "
        "machine, or one CPU of a node)",
    )


def run(options: Namespace) -> None:
    _check_together(options)
    if options.show:
        from reszoo.tuning.search_result import read_result

        print(result_text(read_result(options.search)))
        return
    search = spec.load_search(options.search, options.overrides)
    if options.plan:
        _print_plan(search, options)
        return
    from reszoo.training.jobs.engines import EngineOptions

    EngineOptions(options.jobs, options.ray, options.per_trial).check()
    from reszoo.tuning.strategies import ON_TENSORFLOW
    from reszoo.tuning.tune import refuse_distributed_search, tune

    refuse_distributed_search()
    check_data(options.data)
    check_teachers(options.teacher, None)
    if search.strategy.kind in ON_TENSORFLOW:
        start_tensorflow(debug=options.debug)
    try:
        with print_warnings(), SearchProgress() as progress:
            result = tune(
                search if options.overrides else options.search,
                options.data,
                out=options.out,
                seed=options.seed,
                skip_bad_images=options.skip_bad_images,
                teacher=options.teacher,
                jobs=options.jobs,
                ray=options.ray,
                per_trial=options.per_trial,
                extend=options.extend,
                retrain=options.retrain,
                seeds=options.seeds or 1,
                progress=progress,
                progress_seconds=progress.seconds,
            )
    except KeyboardInterrupt as stop:
        command = format_command(*options.command_line[1:])
        stop.args = (f"stopped; the same command resumes the search: {command}",)
        raise
    print(result_text(result))


def _check_together(options: Namespace) -> None:
    """Raises UserError for options that do not go together."""
    if options.measure and not options.plan:
        raise UserError(
            "--measure belongs to --plan: a search measures its trials anyway",
            where="--measure",
            hint="add --plan, or leave out --measure",
        )
    if options.seeds is not None and options.retrain is None:
        raise UserError(
            "--seeds belongs to --retrain",
            where="--seeds",
            hint="add --retrain, or leave out --seeds",
        )
    for option in ("plan", "show"):
        trains = [word for word in ("retrain", "extend") if getattr(options, word)]
        if getattr(options, option) and trains:
            raise UserError(
                f"--{option} trains nothing, and --{trains[0]} does",
                where=f"--{trains[0]}",
                hint=f"leave out --{option} or --{trains[0]}",
            )


def _print_plan(search: Search, options: Namespace) -> None:
    """Prints the plan of a search; what has to be measured is measured in a process of its own."""
    from reszoo.training.jobs.engines import EngineOptions
    from reszoo.tuning.measured_sample import measure_sample
    from reszoo.tuning.preview import preview
    from reszoo.tuning.resolved_search import resolve_search

    check_teachers(options.teacher, None)
    engine = EngineOptions(options.jobs, options.ray, options.per_trial)
    capacity = engine.capacity() if options.measure else None
    print(preview_text(preview(search, seed=options.seed, data=options.data)))
    resolved = resolve_search(search, seed=options.seed)
    if (sample := measure_sample(resolved, progress=_print_measured)) is not None:
        print(f"\n{measured_text(sample)}")
    if capacity is not None:
        from reszoo.training.jobs.task import DataArguments
        from reszoo.training.teacher_record import find_teacher
        from reszoo.tuning.time_estimate import estimate_time

        print("timing a training step of three candidates", file=sys.stderr, flush=True)
        teachers = tuple(map(find_teacher, options.teacher or ()))
        data = DataArguments(options.data, options.skip_bad_images, teachers=teachers)
        if (estimate := estimate_time(resolved, data, capacity)) is not None:
            print(f"\n{time_text(estimate)}")
    words = [word for word in options.command_line[1:] if word not in ("--plan", "--measure")]
    print(f"\n{facts([('next', format_command(*words))])}")


def _print_measured(done: int, count: int) -> None:
    if done == 0:
        print(f"measuring {count} candidates, converted and untrained", file=sys.stderr, flush=True)
    elif done % 5 == 0 or done == count:
        print(f"measured {done} of {count}", file=sys.stderr, flush=True)
