"""Go on with a run that was stopped or killed, or give a finished one more epochs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import positive
from reszoo.cli.placement import add_placement, where
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.cli.supervision import add_running, supervise_resume
from reszoo.report.run_summary import run_text
from reszoo.runs import Run


def add_options(parser: ArgumentParser) -> None:
    """RUN, --epochs and how it is run."""
    parser.add_argument("run_folder", metavar="RUN", help="the run folder")
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="how many epochs it shall have in the end"
    )
    add_running(parser)
    add_placement(parser)


def run(options: Namespace) -> int | None:
    """Resumes."""
    if options.supervise:
        return supervise_resume(options)
    opened = Run.open(options.run_folder)
    start_tensorflow(debug=options.debug)
    from reszoo.training.train import resume

    resumed = resume(
        opened,
        epochs=options.epochs,
        checkpoint_every=options.checkpoint_every,
        keep_checkpoints=options.keep_checkpoints,
        **where(options),
    )
    print(run_text(resumed))
    return None
