"""Inspect a .tflite file: operators, weights, arena, metadata, and the targets that it fits.

Any .tflite will do, whatever tool wrote it. The arena is that of TFLite-Micro on a microcontroller;
the runtime's own part of it is measured if the package `tflite-micro` is installed, else estimated.
With --target, the exit code is 1 if the file does not meet the target's requirements.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.options import add_json
from reszoo.cli.output import print_json, print_next
from reszoo.report.inspection_summary import inspection_json, inspection_text
from reszoo.tflite.inspection import inspect_file


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|BUNDLE", help="a .tflite file or a bundle's folder")
    targets = ", ".join(spec.names_of("target"))
    parser.add_argument(
        "--target", help=f"judge the file for one target: {targets}, or a YAML file (default: all)"
    )
    add_json(parser)


def run(options: Namespace) -> int:
    """Prints what is in the file; the exit code is 1 if it does not fit the named target."""
    names = [options.target] if options.target else spec.names_of("target")
    targets = [spec.load_target(name) for name in names]
    writes_tflite = [target for target in targets if options.target or "tflite" in target.writes]
    inspection = inspect_file(options.file, writes_tflite)
    if options.json:
        print_json(inspection_json(inspection))
    else:
        print(inspection_text(inspection))
        print_next("benchmark", options.file)
    return int(bool(options.target) and not inspection.verdicts[0].fits)
