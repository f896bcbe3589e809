"""Measure latency, throughput and peak memory of a network on the CPU of this machine.

The times are those of this machine, not of the device that a file is made for. With --vs, two
networks run in alternating rounds; on a shared machine compare their CPU time, not wall time.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_json, positive_int, positive_ints
from reszoo.cli.output import command_after, print_json, print_next
from reszoo.report.benchmark_summary import benchmark_text


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="BUNDLE|FILE|RUN",
        help="a bundle, a .tflite file, a run folder or a .keras file",
    )
    parser.add_argument(
        "--threads",
        type=positive_ints("1,2"),
        metavar="N,N,...",
        help="thread counts to measure with, such as 1,2 (default: 1)",
    )
    parser.add_argument(
        "--vs",
        metavar="BUNDLE|FILE|RUN",
        help="compare with another network, in alternating rounds; prints their time ratios",
    )
    parser.add_argument(
        "--images",
        type=positive_int,
        metavar="N",
        help="images to time after the warm-up (default: half a second of them, at least 200)",
    )
    add_json(parser)


def run(options: Namespace) -> None:
    from reszoo.exporting.benchmark import benchmark

    result = benchmark(
        options.target, versus=options.vs, threads=options.threads or (1,), images=options.images
    )
    if options.json:
        print_json(result.to_dict())
    else:
        print(benchmark_text(result))
        print_next(*command_after(options.target))
