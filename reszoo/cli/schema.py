"""The JSON Schema of a kind of file; editors complete and check files with it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.output import print_json


def add_options(parser: ArgumentParser) -> None:
    """The kind."""
    parser.add_argument("kind", choices=spec.KINDS, help="which kind of file")


def run(options: Namespace) -> None:
    """Prints the schema."""
    print_json(spec.json_schema(options.kind))
