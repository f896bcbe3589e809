"""Options of `train` and `resume` for where a training runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from reszoo.cli.options import Options, default_texts, positive_int
from reszoo.runs.cluster.devices import STRATEGIES
from reszoo.spec.recipe import Precision

_XLA = {"auto": "auto", "on": True, "off": False}
_NAMES = ("strategy", "devices", "sync_norm", "accumulate", "port", "peer_timeout", "data_service")


def add_distribution(parser: ArgumentParser, *, defaults: bool = True) -> Options:
    """Adds --strategy and the other options of devices and workers, with or without defaults.

    Returns the group of options.
    """
    default = default_texts(defaults)
    group = parser.add_argument_group("devices and workers (docs/distribution.md)")
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="distribution strategy; auto uses the workers of TF_CONFIG or Slurm, else a TPU, "
        f"else all GPUs{default('auto')}",
    )
    group.add_argument(
        "--devices",
        help="cpu:4 (four logical devices), gpu:0,1, tpu or tpu:NAME"
        f"{default('all GPUs, else the CPU')}",
    )
    group.add_argument(
        "--sync-norm",
        action="store_true",
        default=None,
        help="normalise over the whole batch instead of each replica's share",
    )
    group.add_argument(
        "--accumulate",
        type=positive_int,
        metavar="K",
        help=f"compute each step's batch in K parts, to save memory{default('1')}",
    )
    group.add_argument(
        "--xla",
        choices=_XLA,
        help="compile the training step with XLA; auto is on for GPUs where possible"
        f"{default('auto')}",
    )
    group.add_argument(
        "--port",
        type=positive_int,
        help="port of the first worker on each node, under Slurm"
        f"{default('derived from the job ID')}",
    )
    group.add_argument(
        "--peer-timeout",
        type=positive_int,
        metavar="SECONDS",
        help=f"seconds to wait for the other workers at the start{default('300')}",
    )
    group.add_argument(
        "--data-service",
        metavar="ADDRESS",
        help="grpc://HOST:PORT of a tf.data service that decodes the images (docs/augmentation.md)",
    )
    return group


def add_precision(parser: Options) -> None:
    """Adds --precision, which a resumed run keeps."""
    names = get_args(Precision)
    parser.add_argument(
        "--precision",
        choices=names,
        metavar="PRECISION",
        help=f"{', '.join(names[:-1])} or {names[-1]} (overrides the recipe)",
    )


def distribution_arguments(options: Namespace) -> dict[str, Any]:
    """Returns the options that were set, as keyword arguments of `reszoo.resume`."""
    values = {name: getattr(options, name) for name in _NAMES} | {"xla": _XLA.get(options.xla)}
    return {name: value for name, value in values.items() if value is not None}
