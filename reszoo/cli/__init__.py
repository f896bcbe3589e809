"""Command line: parses words and calls the packages below; it has no logic of its own."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; see `reszoo.cli.program`."""
    try:
        from reszoo.cli.program import main as run
        from reszoo.cli.terminate import clean_up_on_sigterm
        from reszoo.gc_pause import skip_final_collection
    except KeyboardInterrupt:  # Ctrl-C in the first hundredths of a second
        return 130
    skip_final_collection()
    with clean_up_on_sigterm():
        return run(argv)
