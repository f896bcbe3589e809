"""List the networks of the zoo: cost, size, published accuracy and its source."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_json
from reszoo.cli.output import print_json, print_next
from reszoo.report.zoo import zoo_entries, zoo_table


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "pattern", nargs="?", metavar="PATTERN", help="part of a name, or a pattern like 'plain*'"
    )
    subset = parser.add_mutually_exclusive_group()
    subset.add_argument("--family", help="only this family, such as cifar")
    subset.add_argument(
        "--recipes",
        action="store_true",
        help="list recipes instead; PATTERN may also match a network they were published for",
    )
    add_json(parser)


def run(options: Namespace) -> None:
    if options.recipes:
        # The networks alone are listed faster without what recipes are made of.
        from reszoo.report.recipes import recipe_entries, recipe_table

        entries, as_table = recipe_entries(options.pattern), recipe_table
    else:
        entries, as_table = zoo_entries(options.pattern, options.family), zoo_table
    if options.json:
        print_json(entries)
    else:
        print(as_table(entries))
        print_next("show", entries[0]["name"], *(["--recipe"] if options.recipes else []))
