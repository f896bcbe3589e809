"""Classify images: JPEG, PNG, BMP, WebP, TIFF or the first frame of a GIF."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

from reszoo.cli.early_checks import check_images, check_network
from reszoo.cli.options import add_fast, add_json, add_target, add_views, positive_int
from reszoo.cli.output import print_json, print_next, print_warnings
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.regular_files import require_regular_file
from reszoo.report.evaluation_summary import agreement_text
from reszoo.report.predictions import predictions_csv, predictions_text


def add_options(parser: ArgumentParser) -> None:
    add_target(parser)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="an image, a folder of images, a .txt file with one path per line, or - to read "
        "paths from standard input",
    )
    parser.add_argument(
        "--top", type=positive_int, default=5, metavar="K", help="classes per image (default: 5)"
    )
    add_fast(parser, BooleanOptionalAction, default="on for 256 images or more")
    add_views(parser, "1")
    output_format = parser.add_mutually_exclusive_group()
    add_json(output_format)
    output_format.add_argument(
        "--csv",
        action="store_true",
        help="print CSV, with the true class of pictures in folders of classes",
    )


def run(options: Namespace) -> None:
    images = list(_paths(options.images))
    from reszoo.inference.predict import predict
    from reszoo.tflite.contract_file import find_tflite

    if find_tflite(options.target) is None:
        check_network(options.target)
        check_images(images)
        start_tensorflow(debug=options.debug)
    with print_warnings():
        predictions = predict(
            options.target,
            images,
            top=options.top,
            fast=options.fast,
            views=options.views,
            compared=lambda agreement: print(agreement_text(agreement), file=sys.stderr),
        )
    if options.json:
        print_json([prediction.to_dict() for prediction in predictions])
    elif options.csv:
        print(predictions_csv(predictions), end="")
    else:
        print(predictions_text(predictions))
        exported = find_tflite(options.target) is not None
        print_next("inspect" if exported else "evaluate", options.target)


def _paths(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if word == "-":
            yield from _lines(sys.stdin)
        elif word.endswith(".txt"):
            require_regular_file(word)
            if not Path(word).is_file():
                raise UserError(
                    f"there is no list {word}",
                    expected="one path per line",
                    hint="write the paths of the images into it, or name the images here",
                )
            yield from _lines(_read_text(Path(word)).splitlines())
        else:
            yield word


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"the list {path} is not text in UTF-8",
            expected="a file with one path per line",
            hint="save it as UTF-8, or rename it if it is an image: .txt files are read as lists",
        ) from None


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return (line.strip() for line in lines if line.strip())
