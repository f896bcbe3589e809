"""Accuracy with its interval, top-5, precision and recall per class, confusion matrix."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_data, add_json, add_views
from reszoo.cli.output import print_json
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.report.evaluation_summary import evaluation_text


def add_options(parser: ArgumentParser) -> None:
    """RUN|MODEL|TFLITE, --data, --split, --fast, --views, --json."""
    parser.add_argument(
        "target",
        metavar="RUN|MODEL|TFLITE",
        help="a run folder, a .keras or a bundle's .tflite file",
    )
    add_data(
        parser, default=None, text="digits, folder:PATH or tfds:NAME (default: the run's own data)"
    )
    parser.add_argument("--split", default="test", metavar="SPLIT", help="default: test")
    parser.add_argument(
        "--fast",
        action="store_true",
        help="fold norms into convolutions, compute in bfloat16 where the CPU can, and tell how it "
        "agrees",
    )
    add_views(parser, "the test_time of a run's recipe, else one")
    add_json(parser)


def run(options: Namespace) -> None:
    """Evaluates."""
    start_tensorflow(debug=options.debug)
    from reszoo.inference.evaluate import evaluate

    evaluation = evaluate(
        options.target,
        options.data,
        split=options.split,
        fast=options.fast,
        views=options.views,
        skip_bad_images=options.skip_bad_images,
    )
    if options.json:
        print_json(evaluation.to_dict())
    else:
        print(evaluation_text(evaluation))
