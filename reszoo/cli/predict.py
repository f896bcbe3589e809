"""Classify pictures: JPEG, PNG, BMP, WebP or the first frame of a GIF; files, folders or a list."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

from reszoo.cli.options import add_json, add_views, positive
from reszoo.cli.output import print_json
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.report.evaluation_summary import agreement_text
from reszoo.report.predictions import predictions_csv, predictions_text


def add_options(parser: ArgumentParser) -> None:
    """RUN|MODEL|TFLITE, IMAGE..., --top, --fast, --views, --json, --csv."""
    parser.add_argument(
        "target",
        metavar="RUN|MODEL|TFLITE",
        help="a run folder, a .keras or a bundle's .tflite file",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a picture, a folder of pictures, a .txt file with one path a line, or - for such "
        "lines on standard input",
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="K", help="how many classes to name (default: 5)"
    )
    parser.add_argument(
        "--fast",
        action=BooleanOptionalAction,
        help="fold norms into convolutions, compute in bfloat16 where the CPU can, and tell how it "
        "agrees (default: from 256 pictures on)",
    )
    add_views(parser, "one")
    form = parser.add_mutually_exclusive_group()
    add_json(form)  # type: ignore[arg-type]
    form.add_argument("--csv", action="store_true", help="print CSV, for spreadsheets")


def run(options: Namespace) -> None:
    """Predicts."""
    images = list(_listed(options.images))
    start_tensorflow(debug=options.debug)
    from reszoo.inference.predict import predict

    predictions = predict(
        options.target,
        images,
        top=options.top,
        fast=options.fast,
        views=options.views,
        compared=lambda found: print(agreement_text(found), file=sys.stderr),
    )
    if options.json:
        print_json([prediction.to_dict() for prediction in predictions])
    elif options.csv:
        print(predictions_csv(predictions), end="")
    else:
        print(predictions_text(predictions))


def _listed(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if word == "-":
            yield from _lines(sys.stdin)
        elif word.endswith(".txt"):
            if not Path(word).is_file():
                raise UserError(f"there is no list {word}", expected="a file with one path a line")
            yield from _lines(_text(Path(word)).splitlines())
        else:
            yield word


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"the list {path} is not text in UTF-8",
            expected="a file with one path a line",
            hint="save it as UTF-8; a picture's name does not end in .txt",
        ) from None


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return (line.strip() for line in lines if line.strip())
