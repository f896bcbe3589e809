"""Add blocks to a trained network, preserving its function.

`reszoo train --from` continues to train the deeper network.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.early_checks import check_network
from reszoo.cli.options import add_network, add_output, positive_ints
from reszoo.cli.output import print_saved_network
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.report.net2net_summary import net2net_text


def add_options(parser: ArgumentParser) -> None:
    add_network(parser)
    parser.add_argument(
        "--depths",
        type=positive_ints("3,5,3"),
        required=True,
        metavar="N,N,...",
        help="number of blocks of each stage, such as 3,5,3",
    )
    parser.add_argument(
        "--gate-bias",
        type=float,
        metavar="B",
        help="bias of highway gates that must be closed; a lower value is closer to the same "
        "function and slower to train (default: -6)",
    )
    parser.add_argument("--seed", type=int, help="seed of the new weights (default: random)")
    add_output(parser, "FILE.keras", "save the deeper network to this file")


def run(options: Namespace) -> None:
    check_network(options.target)
    start_tensorflow(debug=options.debug)
    from reszoo.inference.net2net import deepen

    deeper = deepen(
        options.target,
        options.depths,
        out=options.out,
        seed=options.seed,
        gate_bias=options.gate_bias,
    )
    print(net2net_text(deeper.spec, gate=deeper.gate, difference=deeper.difference))
    print_saved_network(options.out)
