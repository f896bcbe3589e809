"""Describe a data set before anyone trains on it: splits, classes, sizes, odd and broken files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from reszoo.cli.options import add_output
from reszoo.cli.tensorflow import start_tensorflow
from reszoo.errors import UserError


def add_options(parser: ArgumentParser) -> None:
    """D, --sheet."""
    parser.add_argument("data", metavar="D", help="digits, folder:PATH or tfds:NAME")
    parser.add_argument("--sheet", metavar="FILE.png", help="draw a contact sheet: some of each class")


def run(options: Namespace) -> None:
    """Describes."""
    if options.sheet and Path(options.sheet).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"cannot draw into {options.sheet}", expected="a name that ends in .png or .jpg")
    start_tensorflow(debug=options.debug)
