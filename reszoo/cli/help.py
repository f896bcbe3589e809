"""Show the options of a command, or list the commands."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "command", nargs="?", metavar="COMMAND", help="a command (default: list them all)"
    )


def run(options: Namespace) -> int:
    from reszoo.cli.program import main

    return main([*([options.command] if options.command else []), "--help"])
