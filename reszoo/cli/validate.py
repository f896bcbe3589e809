"""Check YAML files of any kind: architectures, recipes, searches and targets.

Checks every file and lists all problems of each. The exit code is 2 if any file is invalid.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.output import print_next
from reszoo.errors import ReszooError, visible
from reszoo.planning.network import plan

_NEXT = {
    "architecture": ("show",),
    "recipe": ("show", "--recipe"),
    "search": ("tune", "--plan"),
}
"""The command that usually follows for each kind of file, with its options."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a YAML file")


def run(options: Namespace) -> int:
    """Prints a line for each valid file, and errors on stderr."""
    code = 0
    for file in options.files:
        try:
            kind = _check(file)
            print(visible(f"{file}: a valid {kind}"), flush=True)
        except ReszooError as error:
            for problem in (error, *error.others):
                print(f"error: {problem}", file=sys.stderr, flush=True)
            code = max(code, error.exit_code)
    if not code and kind in _NEXT:
        command, *others = _NEXT[kind]
        print_next(command, file, *others)
    return code


def _check(file: str) -> str:
    """Validates the file, plans it if it is a network, and returns its kind."""
    kind = spec.kind_of(file)
    document = spec.resolve(file if "/" in file else f"./{file}", kind).document
    if isinstance(document, spec.Architecture):
        plan(document)
    return kind
