"""What does `reszoo` do with its words: which command, which options, and what when it fails?"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from reszoo.cli.failures import report_failure
from reszoo.errors import UserError, did_you_mean
from reszoo.version import VERSION

COMMANDS = {
    "list": "the zoo as a table",
    "show": "one network: every value and where it comes from, its stages, its cost, a picture",
    "validate": "check files of any kind",
    "schema": "the JSON Schema of a kind of file, for editors",
    "doctor": "what this machine offers, and what is missing for what",
    "build": "make the Keras model of a spec",
    "data": "describe a data set before anyone trains on it",
    "train": "train a network on images, into a run folder",
    "resume": "go on with a run that was stopped",
    "deepen": "more blocks in a trained network, and the same function",
    "widen": "more channels in a trained network, and the same function",
    "evaluate": "accuracy, per class and in a confusion matrix",
    "predict": "classify pictures",
    "export": "a bundle for a server or a device",
    "tune": "search depth and width",
    "demo": "the main job on the embedded digits, start to end",
}
"""Each command's help; its options and its work are in `reszoo.cli.<command>`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0 fine, 2 the user's input, 1 the machine."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = _take_debug(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr: a file name that the terminal cannot show must not lose the rest of a table.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(words, debug)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse, after --help
        return stop.code if isinstance(stop.code, int) else 0
    except BaseException as error:
        return report_failure(error, debug)
    return code


def _take_debug(words: list[str]) -> bool:
    own = words[: words.index("--")] if "--" in words else words
    if debug := "--debug" in own:
        words.remove("--debug")
    return debug


def _run(words: list[str], debug: bool) -> int:
    if not debug:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or "`reszoo --help` lists the commands"
        raise UserError(f"there is no command '{name}'", hint=hint)
    parser, module = _parser(name)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        parser.refuse(unknown)
    if module is None:
        parser.print_help()
        return 0
    options.command_line = ["reszoo", *words]
    options.debug = debug
    return module.run(options) or 0


def _parser(name: str | None) -> tuple[_Parser, ModuleType | None]:
    """The parser; only the named command's file is read, so that the others cost nothing."""
    parser = _Parser(
        prog="reszoo",
        description="Residual, plain and highway networks from a page of YAML to an int8 file.",
        epilog="`reszoo COMMAND --help` tells a command's options. Any command takes --debug, "
        "which shows tracebacks and TensorFlow's own messages.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"reszoo {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for command, text in COMMANDS.items():
        if command != name:
            commands.add_parser(command, help=text)
    if name is None:
        return parser, None
    module = importlib.import_module(f"reszoo.cli.{name}")
    own = commands.add_parser(
        name,
        help=COMMANDS[name],
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_options(own)
    parser.command = own
    return parser, module


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose mistakes are ours to word."""

    command: _Parser | None = None

    def error(self, message: str) -> NoReturn:
        raise UserError(message, hint=f"`{self.prog} --help` tells what it takes")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Says that these words are too many, with the option that was perhaps meant."""
        parser = self.command or self
        known = [option for action in parser._actions for option in action.option_strings]
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            parser.error(f"unexpected: {' '.join(unknown)}")
        hint = did_you_mean(option.partition("=")[0], [*known, "--debug"])
        raise UserError(
            f"{parser.prog} has no option {option}",
            hint=hint or f"`{parser.prog} --help` tells what it takes",
        )
