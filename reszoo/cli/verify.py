"""Check a bundle against its contract: hashes, sizes, operators, arena, labels, outputs.

A SavedModel is checked with TensorFlow, a .tflite without it, and an ONNX file if onnxruntime or
onnx is installed. The exit code is 2 if a claim does not hold.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo.cli.options import add_json
from reszoo.cli.output import print_json, print_next
from reszoo.errors import UserError
from reszoo.report.verification_summary import broken_text, verification_text


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of the bundle")
    add_json(parser)


def run(options: Namespace) -> None:
    """Prints a line per claim, and fails if one does not hold."""
    from reszoo.exporting.verify import NOT_A_FILE, verify

    verification = verify(options.bundle)
    if options.json:
        print_json(verification.to_dict())
    else:
        print(verification_text(verification))
    if not verification.held:
        is_foreign = any(claim.words == NOT_A_FILE for claim in verification.broken)
        extra = "; move files that do not belong to it elsewhere" if is_foreign else ""
        raise UserError(
            f"{options.bundle} does not match its contract",
            where=", ".join(claim.name for claim in verification.broken),
            expected="every claim of contract.json to hold",
            found=broken_text(verification),
            hint="copy the bundle again, or export it again" + extra,
        )
    if not options.json:
        print_next("benchmark", options.bundle)
