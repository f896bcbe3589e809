"""Build the Keras model of a spec, and save it with -o."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.early_checks import check_weights
from reszoo.cli.options import add_output, add_spec, add_weights, keras_file, positive_int
from reszoo.cli.output import print_next, print_saved_network
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.report.network_summary import built_text


def add_options(parser: ArgumentParser) -> None:
    add_spec(parser)
    add_weights(parser)
    add_output(parser, "FILE.keras", "save the model to this file", keras_file)
    parser.add_argument(
        "--classes", type=positive_int, metavar="N", help="number of classes (overrides the spec)"
    )
    parser.add_argument("--seed", type=int, help="seed of the weights (default: random)")
    parser.add_argument("--summary", action="store_true", help="print Keras's table of layers")


def run(options: Namespace) -> None:
    overrides = list(options.overrides)
    if options.classes is not None:
        overrides.append(f"classes={options.classes}")
    architecture = spec.load(options.spec, overrides)
    if not options.weights:
        plan(architecture)  # reports an impossible network before TensorFlow starts
    check_weights(options.weights)
    start_tensorflow(debug=options.debug)
    from reszoo.model.build import build
    from reszoo.model.importing.pretrained import load_pretrained
    from reszoo.model.saving import save_model

    if options.weights:
        loaded = load_pretrained(architecture, options.weights)
        model, architecture, classes = loaded.model, loaded.spec, loaded.classes
    else:
        model, classes = build(architecture, seed=options.seed), None
    if options.summary:
        model.summary(line_length=110)
    costs = cost(plan(architecture))
    print(built_text(architecture, costs, len(model.layers), model.count_params()))
    if options.out:
        save_model(model, options.out, spec=architecture, classes=classes)
        print_saved_network(options.out)
    else:
        print_next(*options.command_line[1:], "-o", "network.keras")
