"""The command line: words become calls to the floors below. No logic lives here."""

from reszoo.cli.program import main

__all__ = ["main"]
