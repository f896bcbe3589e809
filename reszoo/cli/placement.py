"""The options that say where a training runs, for `train` and `resume`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from reszoo.cli.options import positive
from reszoo.runs.cluster.devices import STRATEGIES
from reszoo.spec.recipe import Precision

_XLA = {"auto": None, "on": True, "off": False}


def add_placement(parser: ArgumentParser) -> None:
    """--strategy, --devices and what goes with them."""
    group = parser.add_argument_group("where it runs (docs/distribution.md)")
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="default: the workers of TF_CONFIG or Slurm, else a TPU, else all GPUs",
    )
    group.add_argument(
        "--devices", metavar="D", help="cpu:4 (four logical ones), gpu:0,1, tpu or tpu:NAME"
    )
    group.add_argument(
        "--sync-norm",
        action="store_true",
        default=None,
        help="normalise over the whole batch, not over each replica's part",
    )
    group.add_argument(
        "--accumulate", type=positive, metavar="K", help="compute each step's batch in K parts"
    )
    group.add_argument(
        "--xla", choices=_XLA, help="compile the step (default: on GPUs, where it can be)"
    )
    group.add_argument(
        "--port", type=positive, metavar="P", help="of the first worker on each node, under Slurm"
    )
    group.add_argument(
        "--peer-timeout", type=positive, metavar="SECONDS", help="to wait for workers (default 300)"
    )
    group.add_argument(
        "--data-service",
        metavar="ADDRESS",
        help="grpc://host:port of a tf.data service that decodes images (docs/augmentation.md)",
    )


def add_precision(parser: ArgumentParser) -> None:
    """--precision, which a run keeps when it is resumed."""
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="instead of the recipe's (there: auto, unless it says so)",
    )


def where(options: Namespace) -> dict[str, Any]:
    """What was said, as `reszoo.train` takes it."""
    names = (
        "strategy",
        "devices",
        "sync_norm",
        "accumulate",
        "port",
        "peer_timeout",
        "data_service",
    )
    said = {name: getattr(options, name) for name in names}
    chosen = {name: word for name, word in said.items() if word is not None}
    return chosen if options.xla is None else {**chosen, "xla": _XLA[options.xla]}
