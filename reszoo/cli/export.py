"""Export a trained network as a bundle: SavedModel, .tflite, labels, contract, parity report.

A bundle that differs from the Keras model by more than the target's limits is not written.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.early_checks import check_data, check_float_layers, check_network
from reszoo.cli.options import add_data, add_output, add_overrides
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.report.bundle_summary import bundle_text
from reszoo.report.targets import target_table


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN|MODEL", help="a run folder or a .keras file")
    targets = ", ".join(spec.names_of("target"))
    parser.add_argument("--target", help=f"{targets}, or a YAML file; without it, they are listed")
    add_overrides(parser, "a field, such as gate.images=200")
    add_output(parser, "BUNDLE", "the bundle's folder (default: RUN/export/TARGET)")
    add_data(
        parser,
        default=None,
        text="data for calibration (its training split) and comparison (default: the run's own)",
    )
    parser.add_argument(
        "--keep-float",
        metavar="auto|LAYER,LAYER",
        help="layers of an int8 file to keep in float; auto keeps as few as it takes to pass the "
        "gate",
    )
    parser.add_argument(
        "--no-gate",
        action="store_true",
        help="write the bundle even if it exceeds the limits, and mark its contract",
    )


def run(options: Namespace) -> None:
    if options.target is None:
        print(target_table())
        raise UserError(
            "an export needs a target",
            expected="--target with one of these names, or with a YAML file",
            found="no --target",
            hint=f"write `reszoo export {shlex.quote(options.source)} --target mobile-int8`",
        )
    target = spec.load_target(options.target, options.overrides)
    check_network(options.source)
    check_data(options.data)
    check_float_layers(options.keep_float, options.source, target)
    start_tensorflow(debug=options.debug)
    from reszoo.exporting.export import export

    bundle = export(
        options.source,
        target,
        out=options.out,
        data=options.data,
        gate=not options.no_gate,
        keep_float=options.keep_float or (),
        skip_bad_images=options.skip_bad_images,
    )
    print(bundle_text(bundle))
