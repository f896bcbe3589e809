"""Show a network: its stages as in the papers, its cost, every value and its origin.

Several networks are compared in one table: shape, cost, accuracy of runs, and the fields in which
they differ.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from reszoo import spec
from reszoo.cli.options import add_json, add_overrides
from reszoo.cli.output import print_json, print_next
from reszoo.errors import UserError
from reszoo.planning.network import plan
from reszoo.report.network_comparison import (
    compared_network,
    comparison_json,
    comparison_text,
    is_run,
    spec_file,
)
from reszoo.report.network_summary import network_text, rows_text
from reszoo.report.recipes import recipe_text
from reszoo.spec.recipe import Recipe

if TYPE_CHECKING:
    from reszoo.report.diagram import Subject


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "networks",
        metavar="NAME|FILE|RUN",
        nargs="+",
        help="networks of the zoo, YAML files, run folders, or .keras files saved by reszoo",
    )
    add_overrides(parser, "a field, such as stages[2].depth=23")
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--plan", action="store_true", help="print every row of the plan")
    view.add_argument("--yaml", action="store_true", help="print the full spec as YAML")
    view.add_argument(
        "--recipe", action="store_true", help="show the recipe NAME and its values instead"
    )
    add_json(view)
    view.add_argument(
        "--diagram",
        metavar="FILE",
        help="draw the stages and one block of each kind as FILE.svg or FILE.png",
    )
    add_overrides(
        parser, "a field in a twin, which --diagram draws beside the network", "--twin", "twin"
    )


def run(options: Namespace) -> None:
    if len(options.networks) > 1 or options.json:
        _compare(options)
        return
    name = spec_file(options.networks[0])
    if options.twin and not options.diagram:
        spec.load(name, [*options.overrides, *options.twin])
        raise UserError(
            "--twin is drawn, not printed",
            expected="--diagram FILE.svg beside --twin",
            found=f"--twin {options.twin[0]} alone",
            hint=f"add --diagram twins.svg, or write --set {options.twin[0]} in its place",
        )
    if options.recipe:
        recipe = spec.resolve(options.networks[0], "recipe", options.overrides)
        print(recipe_text(recipe, cast("Recipe", recipe.document)))
        return
    if options.diagram:
        _draw(name, options.overrides, options.twin, options.diagram)
        return
    resolved = spec.resolve(name, "architecture", options.overrides)
    architecture = cast("spec.Architecture", resolved.document)
    if options.yaml:
        print(spec.to_yaml(architecture), end="")
    elif options.plan:
        print(rows_text(plan(architecture)))
    else:
        print(network_text(resolved, architecture, plan(architecture)))
        _print_next(options.networks, options.overrides)


def _compare(options: Namespace) -> None:
    views = ("plan", "yaml", "recipe", "diagram", "twin")
    if view := next((view for view in views if getattr(options, view)), None):
        raise UserError(
            f"--{view} takes one network",
            expected="one name",
            found=" ".join(options.networks),
            hint=f"leave out --{view} to compare these networks, or name one of them",
        )
    networks = [compared_network(word, options.overrides) for word in options.networks]
    if options.json:
        print_json(comparison_json(networks))
    else:
        print(comparison_text(networks))
        _print_next(options.networks, options.overrides)


def _print_next(words: Sequence[str], overrides: Sequence[str]) -> None:
    """Prints the command that trains the first network, trains on, or compares the runs."""
    runs = [word for word in words if is_run(word)]
    if runs:
        print_next("runs" if len(runs) > 1 else "evaluate", *runs)
    elif spec_file(words[0]) != words[0]:
        print_next("train", "--from", words[0])
    else:
        print_next("train", words[0], *(word for value in overrides for word in ("--set", value)))


def _draw(name: str, overrides: Sequence[str], twin: Sequence[str], path: str) -> None:
    from reszoo.report.diagram import check_diagram_name, draw_network, draw_twins, write_diagram

    check_diagram_name(path)
    subject = _subject(name, overrides)
    if twin:
        drawing = draw_twins(subject, _subject(name, [*overrides, *twin]))
    else:
        drawing = draw_network(subject)
    write_diagram(drawing, path)
    print(f"drew {path}")


def _subject(name: str, overrides: Sequence[str]) -> Subject:
    """Returns a network under its title, although overrides take the title from a spec."""
    from reszoo.report.diagram import Subject

    published = spec.load(name)
    architecture = spec.load(name, overrides) if overrides else published
    return Subject(plan(architecture), published.title or published.name, overrides)
