"""Write one HTML file about runs, a search, a bundle or a study.

The page of one run shows its network, training, accuracy, mistakes and exports. Several runs are
compared in a table and in charts. The file works offline, and TensorFlow is not loaded.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_output
from reszoo.cli.output import print_next


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="RUN|FOLDER|BUNDLE|SEARCH|STUDY",
        help="a run, a folder of runs, a bundle, a search or a study",
    )
    add_output(parser, "FILE.html", "the file to write (default: report.html)")
    parser.add_argument("--open", action="store_true", help="open the file in a browser")


def run(options: Namespace) -> None:
    from reszoo.report.pages.report import write_report

    file = write_report(options.paths, options.out)
    print(f"wrote {file}")
    if options.open:
        import webbrowser

        webbrowser.open(file.resolve().as_uri())
    else:
        print_next(*options.command_line[1:], "--open")
