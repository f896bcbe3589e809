"""Check this machine: packages, devices, folders.

Shows the strategy and precision that a training would choose, and which command needs a missing
package. The exit code is 1 if something required is missing.
"""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser, Namespace

from reszoo.cli.output import print_next
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import MachineError
from reszoo.report.text import table
from reszoo.runs import diagnose

_MARKS = {"fine": "fine", "note": "note", "missing": "MISSING"}


def add_options(parser: ArgumentParser) -> None:
    """Adds nothing: the command has no options."""


def run(options: Namespace) -> int:
    with contextlib.suppress(MachineError):  # the diagnosis has a line for it
        start_tensorflow(debug=options.debug)
    findings = diagnose()
    rows = [(_MARKS[finding.verdict], finding.topic, finding.text) for finding in findings]
    print(table(("", "what", "found"), rows, "lll"))
    if any(finding.verdict == "missing" for finding in findings):
        return 1
    print_next("demo")
    return 0
