"""Write a model card in Markdown, as model hubs use it.

The card of a run has front matter, data, metrics, cost and limits, and leaves intended use to its
author. The card of a bundle is its CARD.md.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from reszoo.cli.options import add_output
from reszoo.cli.output import print_next
from reszoo.errors import UserError


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("subject", metavar="RUN|BUNDLE", help="a run folder or a bundle")
    add_output(parser, "FILE.md", "the file to write (default: the terminal)")


def run(options: Namespace) -> None:
    from reszoo.atomic_files import write_text
    from reszoo.report.exported_files import card_text
    from reszoo.report.model_card import model_card
    from reszoo.runs import Run
    from reszoo.tflite.contract_file import is_bundle

    path = Path(options.subject)
    text = card_text(path) if is_bundle(path) else model_card(Run.open(path))
    if options.out is None:
        print(text, end="")
    else:
        _require_replaceable(Path(options.out), text)
        write_text(options.out, text)
        print(f"wrote {options.out}")
        print_next("report", options.subject)


def _require_replaceable(file: Path, text: str) -> None:
    """Raises a `UserError` for a file that does not begin as an untouched card does.

    The second line of a run's card says that the license is open: it is gone once it is chosen.
    """
    if not file.is_file():
        return
    if file.read_text("utf-8", errors="replace").splitlines()[:2] != text.splitlines()[:2]:
        raise UserError(
            f"{file} is not a card as reszoo writes it, so it is not replaced",
            expected="a new file, or a card whose license is still open",
            found="another file, or a card that its author has filled in",
            hint=f"name another file: -o {file.with_name(f'{file.stem}_card.md')}",
        )
