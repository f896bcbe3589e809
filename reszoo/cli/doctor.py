"""What this machine offers: packages, devices, the strategy and precision that training would
choose, folders; and what is missing for what. Exit code 1: something needed is missing.
"""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser, Namespace

from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import MachineError
from reszoo.report.text import table
from reszoo.runs import diagnose

_MARKS = {"fine": "fine", "note": "note", "missing": "MISSING"}


def add_options(parser: ArgumentParser) -> None:
    """Nothing beyond --debug."""


def run(options: Namespace) -> int:
    """Prints a line for each finding."""
    with contextlib.suppress(MachineError):  # the diagnosis says so in its own line
        start_tensorflow(debug=options.debug)
    findings = diagnose()
    rows = [(_MARKS[finding.verdict], finding.topic, finding.text) for finding in findings]
    print(table(("", "what", "found"), rows, "lll"))
    return 1 if any(finding.verdict == "missing" for finding in findings) else 0
