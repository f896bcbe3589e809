"""Give a trained network more blocks. It computes the same as before, and `reszoo train --from`
trains it on."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from reszoo.cli.options import add_output, positive
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.report.net2net_summary import net2net_text
from reszoo.report.text import format_command


def add_options(parser: ArgumentParser) -> None:
    """RUN|FILE.keras, --depths, -o, --gate-bias, --seed."""
    parser.add_argument(
        "target", metavar="RUN|FILE.keras", help="a run, or a network that reszoo saved"
    )
    parser.add_argument(
        "--depths",
        type=_depths,
        required=True,
        metavar="N,N,...",
        help="blocks of each stage, such as 3,5,3",
    )
    parser.add_argument(
        "--gate-bias",
        type=float,
        metavar="B",
        help="of highway gates that must be shut (default: -6; lower is nearer to the same "
        "function and slower to learn)",
    )
    parser.add_argument("--seed", type=int, metavar="S", help="of the new weights (default: none)")
    add_output(parser, "FILE.keras", "save the deeper network here, whole or not at all")


def _depths(text: str) -> tuple[int, ...]:
    try:
        return tuple(positive(word.strip()) for word in text.split(","))
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"expected numbers such as 3,5,3, found '{text}'") from error


def run(options: Namespace) -> None:
    """Deepens, tells, saves."""
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
    if options.out:
        print(
            f"saved {options.out}; `{format_command('train', '--from', options.out)}` trains it on"
        )
