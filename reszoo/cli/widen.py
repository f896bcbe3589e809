"""Add channels to a trained network, preserving its function.

`reszoo train --from` continues to train the wider network.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.early_checks import check_network
from reszoo.cli.options import add_network, add_output, positive_int
from reszoo.cli.output import print_saved_network
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.report.net2net_summary import net2net_text


def add_options(parser: ArgumentParser) -> None:
    add_network(parser)
    add = parser.add_argument
    add("--factor", type=positive_int, default=2, metavar="N", help="width multiplier (default: 2)")
    add("--seed", type=int, help="seed of the weights' split among copies (default: random)")
    add_output(parser, "FILE.keras", "save the wider network to this file")


def run(options: Namespace) -> None:
    check_network(options.target)
    start_tensorflow(debug=options.debug)
    from reszoo.inference.net2net import widen

    wider = widen(options.target, options.factor, out=options.out, seed=options.seed)
    print(net2net_text(wider.spec, gate=None, difference=wider.difference))
    print_saved_network(options.out)
