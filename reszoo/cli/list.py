"""The zoo as a table: cost, size, published accuracy and where each number comes from; or the
recipes, and what they were published for.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_json
from reszoo.cli.output import print_json
from reszoo.report.recipes import recipe_entries, recipe_table
from reszoo.report.zoo import zoo_entries, zoo_table


def add_options(parser: ArgumentParser) -> None:
    """PATTERN, --family, --recipes, --json."""
    parser.add_argument(
        "pattern",
        nargs="?",
        metavar="PATTERN",
        help="part of a name, or a pattern such as 'plain*'",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--family", metavar="F", help="only this family, such as cifar")
    which.add_argument(
        "--recipes",
        action="store_true",
        help="the recipes for training instead; PATTERN may also be a net they were published for",
    )
    add_json(parser)


def run(options: Namespace) -> None:
    """Prints the table."""
    if options.recipes:
        entries, as_table = recipe_entries(options.pattern), recipe_table
    else:
        entries, as_table = zoo_entries(options.pattern, options.family), zoo_table
    if options.json:
        print_json(entries)
    else:
        print(as_table(entries))
