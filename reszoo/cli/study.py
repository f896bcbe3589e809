"""Run one of the papers' experiments on trained runs or on specs, with figures and tables.

On trained runs:

flow: how activations and gradients pass through networks; takes specs too, as initialised.

responses: how large the outputs of layers are (He 2015, Figure 7).

gates: what gates learned, and for which images they open (Srivastava 2015, Figures 2 and 3).

lesion: accuracy without one or more blocks, or with blocks exchanged (Srivastava 2015, Figure 4).

deepen: the net deepened by identity blocks and trained, beside the same depth from scratch.

On networks that the study trains:

degradation: whether deeper nets train worse (He 2015, Figure 6; Srivastava 2015, Figure 1).

gating: the 11 shortcuts of He 2016, Table 1, in one network.

boosting: blocks appended one by one, each trained while the others are frozen.

The same command resumes an interrupted study.
"""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.cli.early_checks import check_data, check_network
from reszoo.cli.options import (
    add_output,
    keras_file,
    nonnegative_int,
    positive_int,
    positive_ints,
    split_words,
)
from reszoo.cli.output import print_next
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.report.network_comparison import spec_file
from reszoo.report.study_summary import study_text
from reszoo.report.text import format_command

OPTIONS = {
    "flow": ("limit", "seed"),
    "responses": ("limit",),
    "gates": ("limit", "classes"),
    "lesion": ("limit", "seed", "write", "max_drop"),
    "deepen": ("depths", "epochs"),
    "degradation": ("base", "depths", "connections", "recipe", "epochs", "seeds", "jobs"),
    "gating": ("base", "recipe", "epochs", "seeds", "jobs"),
    "boosting": ("base", "recipe", "epochs", "seed"),
}
"""The options that each study takes beside --data and -o."""

_OF_ONE_RUN = ("gates", "lesion", "deepen")
_OF_RUNS = ("flow", "responses", *_OF_ONE_RUN)
_OF_SPECS = ("flow", "degradation")


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("study", choices=list(OPTIONS), metavar="STUDY", help=", ".join(OPTIONS))
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="RUN|NAME|FILE",
        help="run folders or .keras files; networks of the zoo and YAML files with flow and "
        "degradation",
    )
    add = parser.add_argument
    add(
        "--data",
        help="digits, folder:PATH, csv:FILE or tfds:NAME (default: the run's own, else digits)",
    )
    add(
        "--seed",
        type=nonnegative_int,
        metavar="SEED",
        help="flow, lesion, boosting: random seed (default: 0)",
    )
    add_output(parser, "FOLDER", "the study's folder (default: RUN/study/STUDY, or in studies/)")
    _add_look_inside(parser)
    _add_training(parser)


def _add_look_inside(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("flow, responses, gates, lesion").add_argument
    add(
        "--limit",
        type=positive_int,
        metavar="N",
        help="number of images (default: 2000; flow: 128)",
    )
    add(
        "--classes",
        type=split_words,
        metavar="CLASS,...",
        help="gates: classes to compare with all images (default: the first and the eighth)",
    )
    add(
        "--write",
        type=keras_file,
        metavar="FILE.keras",
        help="lesion: save the network without the blocks whose removal costs least",
    )
    add(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="lesion, with --write: percentage points of accuracy to lose at most (default: 1)",
    )


def _add_training(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("degradation, gating, boosting, deepen").add_argument
    add(
        "--base",
        metavar="NAME|FILE",
        help="degradation, gating, boosting: the network from which the trained ones are made "
        "(default: resnet20; for digits resnet14_digits; degradation of digits alone: "
        "highway_dense10_digits)",
    )
    add(
        "--depths",
        type=positive_ints("20,56"),
        metavar="N,N,...",
        help="degradation: depths in layers, such as 20,56; deepen: blocks of each stage "
        "(default: twice the current number)",
    )
    add(
        "--connections",
        type=split_words,
        metavar="CONNECTION,...",
        help="degradation: connections of the blocks (default: plain,residual,highway)",
    )
    add(
        "--recipe",
        metavar="RECIPE",
        help="degradation, gating, boosting: a recipe of the zoo, or a YAML file (default: by "
        "data)",
    )
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="epochs of each training (overrides the recipe)",
    )
    add(
        "--seeds",
        type=positive_int,
        metavar="N",
        help="degradation, gating: trainings of each network (default: 1)",
    )
    add(
        "--jobs",
        type=positive_int,
        metavar="N",
        help="degradation, gating: trainings at the same time (default: 1)",
    )


def run(options: Namespace) -> None:
    given = _given_options(options)
    _check_targets(options)
    if options.base is not None:
        spec.load(options.base)
    if options.recipe is not None:
        spec.load_recipe(options.recipe)
    check_data(options.data)
    if options.write is not None:
        from reszoo.studies.pruned_file import check_pruned_file

        network = spec.load(spec_file(options.targets[0]))
        check_pruned_file(Path(options.write), network.name)
    start_tensorflow(debug=options.debug)
    from reszoo import studies
    from reszoo.studies.study_folder import command

    command.set(options.command_line)
    if options.data is not None:
        given["data"] = options.data
    with _said_how_to_resume(options.command_line):
        function = getattr(studies, options.study)
        result = function(*_positional(options), out=options.out, **given)
    print(study_text(result))
    print_next("report", result.folder)


@contextlib.contextmanager
def _said_how_to_resume(command_line: Sequence[str]) -> Iterator[None]:
    """Says of a study that was stopped that the same command resumes it, one of its runs too."""
    from reszoo.training import TrainingStopped

    again = format_command(*command_line[1:])
    try:
        yield
    except TrainingStopped as stop:
        stop.hint = f"the same command resumes the study: {again}"
        raise
    except KeyboardInterrupt as stop:
        stop.args = (f"stopped; the same command resumes the study: {again}",)
        raise


def _positional(options: Namespace) -> tuple[Any, ...]:
    if options.study in _OF_ONE_RUN:
        return (options.targets[0],)
    return (options.targets,) if options.study in (*_OF_RUNS, *_OF_SPECS) else ()


def _given_options(options: Namespace) -> dict[str, Any]:
    """Returns the options that were given; refuses those of other studies."""
    names = dict.fromkeys(name for names in OPTIONS.values() for name in names)
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    for name in given:
        if name not in OPTIONS[options.study]:
            option = f"--{name.replace('_', '-')}"
            fitting = [study for study, taken in OPTIONS.items() if name in taken]
            raise UserError(
                f"the study {options.study} takes no {option}",
                expected=f"{option} with {', '.join(fitting)}",
                hint=f"leave out {option}",
            )
    return given


def _check_targets(options: Namespace) -> None:
    study, targets = options.study, options.targets
    if not targets and study in _OF_RUNS:
        raise UserError(
            f"the study {study} needs a trained run" + (" or a spec" if study in _OF_SPECS else ""),
            expected="a run folder, as `reszoo train` makes it",
            found="none",
            hint=f"write `reszoo study {study} RUN`",
        )
    if len(targets) > 1 and study in _OF_ONE_RUN:
        raise UserError(
            f"the study {study} takes one run at a time",
            found=", ".join(targets),
            hint=f"write `reszoo study {study} {targets[0]}`",
        )
    if targets and study not in (*_OF_RUNS, *_OF_SPECS):
        raise UserError(
            f"the study {study} makes its networks of one",
            expected="--base NAME",
            found=" ".join(targets),
            hint=f"write `reszoo study {study} --base {targets[0]}`",
        )
    for target in targets:
        if study in _OF_SPECS and (study == "degradation" or not Path(target).is_dir()):
            spec.load(target)
        else:
            check_network(target)
