"""Print the JSON Schema of a kind of file, for completion and checks in editors."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.output import print_json


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=spec.KINDS, help="kind of file")


def run(options: Namespace) -> None:
    print_json(spec.json_schema(options.kind))
