"""Compare runs in one table: network, data, recipe, cost, accuracy, seed, and spread over seeds.

Folders are searched for runs, including those of studies and searches; runs that cannot be read are
shown as broken.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_json
from reszoo.cli.output import print_json, print_next
from reszoo.report.run_listing import SORTS, runs_csv, runs_json, runs_latex, runs_text, sorted_rows

_DEFAULT = "runs"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="runs, or folders of runs (default: runs)",
    )
    parser.add_argument(
        "--sort",
        choices=list(SORTS),
        default="accuracy",
        metavar="FIELD",
        help=f"order of rows: {', '.join(SORTS)} (default: accuracy)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV with unrounded values")
    form.add_argument("--latex", action="store_true", help="print a tabular for LaTeX's booktabs")
    add_json(form)


def run(options: Namespace) -> None:
    from reszoo.report.pages.subjects import find_runs
    from reszoo.report.run_rows import run_row, seed_spreads

    paths = find_runs(options.folders or [_DEFAULT])
    rows = sorted_rows([run_row(path) for path in paths], options.sort)
    spreads = seed_spreads(rows)
    if options.json:
        print_json(runs_json(rows, spreads))
    elif options.csv:
        print(runs_csv(rows), end="")
    elif options.latex:
        print(runs_latex(rows, spreads), end="")
    else:
        print(runs_text(rows, spreads))
        print_next("report", *(options.folders or [_DEFAULT]))
