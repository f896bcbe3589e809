"""The command line: words become calls to the floors below. No logic lives here."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; see `reszoo.cli.program`."""
    try:
        from reszoo.cli.program import main as run
        from reszoo.cli.terminate import tidy_on_sigterm
    except KeyboardInterrupt:  # Ctrl-C in the first hundredths of a second
        return 130
    with tidy_on_sigterm():
        return run(argv)
