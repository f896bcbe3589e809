"""Run one of the papers' experiments on trained runs or on specs, with figures and tables.

flow: how activations and gradients pass through networks, as initialised and trained.

responses: how large the outputs of layers are (He 2015, Figure 7).

gates: what gates learned, and for which images they open (Srivastava 2015, Figures 2 and 3).

lesion: accuracy without each block, pairs, random and shuffled ones (Srivastava 2015, Figure 4).

The same command resumes an interrupted study.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.cli.early_checks import check_data, check_network
from reszoo.cli.options import (
    add_output,
    keras_file,
    nonnegative_int,
    positive_int,
    split_words,
)
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.report.study_summary import study_text

OPTIONS = {
    "flow": ("limit", "seed"),
    "responses": ("limit",),
    "gates": ("limit", "classes"),
    "lesion": ("limit", "seed", "write", "max_drop"),
}
"""The options that each study takes beside --data and -o."""

_OF_ONE = ("gates", "lesion")
_OF_SPECS = ("flow",)


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("study", choices=list(OPTIONS), help=", ".join(OPTIONS))
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="RUN|NAME|FILE",
        help="run folders or .keras files; flow also takes networks of the zoo and YAML files",
    )
    add = parser.add_argument
    add("--data", help="digits, folder:PATH or tfds:NAME (default: the run's own)")
    add(
        "--limit",
        type=positive_int,
        metavar="N",
        help="number of images (default: 2000, of flow 128)",
    )
    add("--seed", type=nonnegative_int, metavar="SEED", help="random seed (default: 0)")
    add_output(parser, "FOLDER", "the study's folder (default: RUN/study/NAME)")
    group = parser.add_argument_group("gates and lesion")
    group.add_argument(
        "--classes",
        type=split_words,
        metavar="CLASS,...",
        help="gates: classes to compare with all images (default: the first and the eighth)",
    )
    group.add_argument(
        "--write",
        type=keras_file,
        metavar="FILE.keras",
        help="lesion: save the network without the blocks it misses least",
    )
    group.add_argument(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="lesion: percentage points of accuracy it may lose with --write (default: 1)",
    )


def run(options: Namespace) -> None:
    given = _given_options(options)
    _check_targets(options)
    check_data(options.data)
    start_tensorflow(debug=options.debug)
    from reszoo import studies

    targets = options.targets[0] if len(options.targets) == 1 else options.targets
    result = getattr(studies, options.study)(targets, data=options.data, out=options.out, **given)
    print(study_text(result))


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
    if not targets:
        example = "resnet20" if study in _OF_SPECS else "RUN"
        raise UserError(
            f"the study {study} needs a {'network' if study in _OF_SPECS else 'trained run'}",
            expected="a run folder, as `reszoo train` makes it",
            found="none",
            hint=f"write `reszoo study {study} {example}`",
        )
    if study in _OF_ONE and len(targets) > 1:
        raise UserError(
            f"the study {study} takes one run at a time",
            found=", ".join(targets),
            hint=f"write `reszoo study {study} {targets[0]}`",
        )
    for target in targets:
        if study in _OF_SPECS and not Path(target).is_dir():
            spec.load(target)
        else:
            check_network(target)
