"""Show one network: its stages as in the papers, its cost, every value and its origin."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import cast

from reszoo import spec
from reszoo.cli.options import add_spec
from reszoo.planning.network import plan
from reszoo.report.network_summary import network_text, rows_text
from reszoo.report.recipes import recipe_text
from reszoo.spec.recipe import Recipe


def add_options(parser: ArgumentParser) -> None:
    add_spec(parser)
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--plan", action="store_true", help="print every row of the plan")
    view.add_argument("--yaml", action="store_true", help="print the full spec as YAML")
    view.add_argument(
        "--recipe", action="store_true", help="show the recipe NAME instead: its values"
    )
    view.add_argument(
        "--diagram",
        metavar="FILE",
        help="draw the stages and one block of each kind as FILE.svg or FILE.png",
    )


def run(options: Namespace) -> None:
    if options.recipe:
        recipe = spec.resolve(options.spec, "recipe", options.overrides)
        print(recipe_text(recipe, cast("Recipe", recipe.document)))
        return
    resolved = spec.resolve(options.spec, "architecture", options.overrides)
    architecture = cast("spec.Architecture", resolved.document)
    if options.yaml:
        print(spec.to_yaml(architecture), end="")
    elif options.plan:
        print(rows_text(plan(architecture)))
    elif options.diagram:
        _draw(architecture, options.diagram)
    else:
        print(network_text(resolved, architecture, plan(architecture)))


def _draw(architecture: spec.Architecture, path: str) -> None:
    from reszoo.report.diagram import check_diagram_name, draw_network, write_diagram

    check_diagram_name(path)
    drawing = draw_network(plan(architecture), architecture.title or architecture.name)
    write_diagram(drawing, path)
    print(f"drew {path}")
