"""Give a trained network more channels. It computes the same as before, and `reszoo train --from`
trains it on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_output, positive
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.report.net2net_summary import net2net_text
from reszoo.report.text import format_command


def add_options(parser: ArgumentParser) -> None:
    """RUN|FILE.keras, --factor, -o, --seed."""
    parser.add_argument(
        "target", metavar="RUN|FILE.keras", help="a run, or a network that reszoo saved"
    )
    parser.add_argument(
        "--factor",
        type=positive,
        default=2,
        metavar="N",
        help="how many times as many channels (default: 2)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="of how copies share weights (default: none)"
    )
    add_output(parser, "FILE.keras", "save the wider network here, whole or not at all")


def run(options: Namespace) -> None:
    """Widens, tells, saves."""
    start_tensorflow(debug=options.debug)
    from reszoo.inference.net2net import widen

    wider = widen(options.target, options.factor, out=options.out, seed=options.seed)
    print(net2net_text(wider.spec, gate=None, difference=wider.difference))
    if options.out:
        print(
            f"saved {options.out}; `{format_command('train', '--from', options.out)}` trains it on"
        )
