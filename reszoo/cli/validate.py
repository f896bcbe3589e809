"""Check YAML files of any kind: architectures, recipes, searches and targets.

Checks every file and lists all problems of each. The exit code is 2 if any file is invalid.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.errors import ReszooError, visible
from reszoo.planning.network import plan


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a YAML file")


def run(options: Namespace) -> int:
    """Prints a line for each valid file, and errors on stderr."""
    code = 0
    for file in options.files:
        try:
            print(visible(f"{file}: a valid {_check(file)}"), flush=True)
        except ReszooError as error:
            for problem in (error, *error.others):
                print(f"error: {problem}", file=sys.stderr, flush=True)
            code = max(code, error.exit_code)
    return code


def _check(file: str) -> str:
    """Validates the file, plans it if it is a network, and returns its kind."""
    kind = spec.kind_of(file)
    document = spec.resolve(file if "/" in file else f"./{file}", kind).document
    if isinstance(document, spec.Architecture):
        plan(document)
    return kind
