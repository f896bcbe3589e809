"""Compute accuracy with its confidence interval, scores per class and the confusion matrix.

For a run on its own data, the results are kept in its evaluation.json, for `reszoo report`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from reszoo.cli.early_checks import check_data, check_network
from reszoo.cli.options import add_data, add_fast, add_json, add_target, add_views
from reszoo.cli.output import command_after, print_json, print_next, print_warnings
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.report.evaluation_summary import evaluation_text
from reszoo.report.text import facts
from reszoo.tflite.contract_file import find_tflite

if TYPE_CHECKING:
    from reszoo.inference.metrics import Evaluation


def add_options(parser: ArgumentParser) -> None:
    add_target(parser)
    add_data(
        parser,
        default=None,
        text="digits, folder:PATH, csv:FILE or tfds:NAME (default: the run's own)",
    )
    parser.add_argument("--split", default="test", help="split to evaluate (default: test)")
    add_fast(parser, "store_true", default="off")
    add_views(parser, "test_time of the run's recipe, else 1")
    parser.add_argument(
        "--mistakes",
        metavar="FILE",
        help="write the mistakes, most confident first: FILE.csv lists all with their true "
        "classes, FILE.png shows the first 48",
    )
    add_json(parser)


def run(options: Namespace) -> None:
    from reszoo.data.sources.plain_files import is_plain
    from reszoo.inference.evaluate import evaluate
    from reszoo.inference.mistakes import check_mistakes_file

    if options.mistakes is not None:
        check_mistakes_file(options.mistakes)
    if find_tflite(options.target) is None:
        check_network(options.target)
        check_data(options.data)
        start_tensorflow(debug=options.debug)
    elif options.data is not None and not is_plain(options.data, options.split):
        check_data(options.data)
        start_tensorflow(debug=options.debug)
    with print_warnings():
        evaluation = evaluate(
            options.target,
            options.data,
            split=options.split,
            fast=options.fast,
            views=options.views,
            skip_bad_images=options.skip_bad_images,
            mistakes=options.mistakes,
        )
        _record(options, evaluation)
    if options.json:
        print_json(evaluation.to_dict())
    else:
        print(evaluation_text(evaluation))
        if options.mistakes is None:
            print_next(*options.command_line[1:], "--mistakes", "mistakes.png")
        else:
            count = f"{len(evaluation.mistakes):,}"
            print("\n" + facts([("mistakes", f"{count}, in {options.mistakes}")]))
            print_next(*command_after(options.target))


def _record(options: Namespace, evaluation: Evaluation) -> None:
    """Keeps the evaluation of a run as trained: on its own data, in its own views, not folded."""
    from reszoo.inference.record_evaluation import record_evaluation
    from reszoo.runs import Run

    changed = options.data is not None or options.views is not None or options.fast
    if not changed and Path(options.target, "run.json").is_file():
        record_evaluation(Run.open(options.target), evaluation)
