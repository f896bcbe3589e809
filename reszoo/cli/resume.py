"""Go on with a run that was stopped or killed, or give a finished one more epochs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import positive
from reszoo.cli.tensorflow import start_tensorflow
from reszoo.report.run import run_text
from reszoo.runs import Run


def add_options(parser: ArgumentParser) -> None:
    """RUN, --epochs."""
    parser.add_argument("run_folder", metavar="RUN", help="the run folder")
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="how many epochs it shall have in the end"
    )


def run(options: Namespace) -> None:
    """Resumes."""
    opened = Run.open(options.run_folder)
    start_tensorflow(debug=options.debug)
    from reszoo.train import resume

    print(run_text(resume(opened, epochs=options.epochs)))
