"""Resume an interrupted run, or train a finished one for more epochs.

Options that are left out keep the run's values.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.distribution import add_distribution, distribution_arguments
from reszoo.cli.early_checks import check_data, check_devices, check_teachers
from reszoo.cli.options import add_teacher, positive_int
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.cli.supervision import add_checkpointing, supervise_resume
from reszoo.report.run_summary import run_text
from reszoo.runs import Run


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="the run folder")
    parser.add_argument(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="total number of epochs, including those already trained",
    )
    parser.add_argument(
        "--data",
        help="new location of the data, if they have moved: digits, folder:PATH, csv:FILE or "
        "tfds:NAME",
    )
    add_teacher(parser, "new location of a teacher, if it has moved; may be repeated")
    add_checkpointing(parser, defaults=False)
    add_distribution(parser, defaults=False)


def run(options: Namespace) -> int | None:
    if options.supervise:
        return supervise_resume(options)
    opened = Run.open(options.run_folder)
    check_data(options.data)
    check_teachers(options.teacher, options.run_folder)
    check_devices(options.devices)
    start_tensorflow(debug=options.debug)
    from reszoo.training.train import resume

    resumed = resume(
        opened,
        epochs=options.epochs,
        data=options.data,
        teacher=options.teacher,
        checkpoint_every=options.checkpoint_every,
        keep_checkpoints=options.keep_checkpoints,
        **distribution_arguments(options),
    )
    print(run_text(resumed))
    return None
