"""Make the Keras model of a spec, say what it counts, and save it where -o asks for it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.options import add_output, add_spec, positive
from reszoo.cli.tensorflow import start_tensorflow
from reszoo.plan import cost, plan
from reszoo.report.network import built_text


def add_options(parser: ArgumentParser) -> None:
    """NAME|FILE, --set, -o, --classes, --summary."""
    add_spec(parser)
    add_output(parser, "FILE.keras", "save the model here, whole or not at all")
    parser.add_argument("--classes", type=positive, metavar="N", help="that many classes instead")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of the weights (default: none)")
    parser.add_argument("--summary", action="store_true", help="print Keras's table of layers")


def run(options: Namespace) -> None:
    """Builds, prints the counts, saves."""
    overrides = list(options.overrides)
    if options.classes is not None:
        overrides.append(f"classes={options.classes}")
    architecture = spec.load(options.spec, overrides)
    costs = cost(plan(architecture))
    start_tensorflow(debug=options.debug)
    from reszoo.model import build, save

    model = build(architecture, seed=options.seed)
    if options.summary:
        model.summary(line_length=110)
    print(built_text(architecture, costs, len(model.layers), model.count_params()))
    if options.out:
        save(model, options.out, spec=architecture)
        print(f"saved {options.out}")
