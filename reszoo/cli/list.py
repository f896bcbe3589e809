"""The zoo as a table: cost, size, published accuracy and where each number comes from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_json
from reszoo.cli.output import print_json
from reszoo.report.zoo import zoo_entries, zoo_table


def add_options(parser: ArgumentParser) -> None:
    """PATTERN, --family, --json."""
    parser.add_argument(
        "pattern",
        nargs="?",
        metavar="PATTERN",
        help="part of a name, or a pattern such as 'plain*'",
    )
    parser.add_argument("--family", metavar="F", help="only this family, such as cifar")
    add_json(parser)


def run(options: Namespace) -> None:
    """Prints the table."""
    entries = zoo_entries(options.pattern, options.family)
    if options.json:
        print_json(entries)
    else:
        print(zoo_table(entries))
