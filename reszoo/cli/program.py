"""Main program: finds the command, parses its options, runs it and reports its failure."""

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
from reszoo.runs.parent_watch import obey_supervisor
from reszoo.version import VERSION

COMMANDS = {
    "list": "list the networks of the zoo, or the recipes",
    "show": "show one network: stages, cost, values and their origins, diagram",
    "validate": "check YAML files of any kind",
    "schema": "print the JSON Schema of a kind of file, for editors",
    "doctor": "check this machine: packages, devices, folders",
    "build": "build the Keras model of a spec",
    "data": "describe a data set",
    "train": "train a network on images",
    "resume": "resume an interrupted run",
    "deepen": "add blocks to a trained network, preserving its function",
    "widen": "add channels to a trained network, preserving its function",
    "evaluate": "compute accuracy, scores per class and the confusion matrix",
    "predict": "classify pictures",
    "export": "export a trained network for a server or a device",
    "inspect": "inspect a .tflite file: operators, arena, metadata, targets",
    "tune": "search depth, width and other fields",
    "demo": "run the main job on the embedded digits, start to end",
}
"""Each command's one-line help.

The module `reszoo.cli.<command>` has its full help as docstring, `add_options(parser)`, and
`run(options)`, which returns the exit code or None for 0.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, or that of its error (see `reszoo.errors`)."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = _take_debug(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr does: a file name that cannot be encoded must not cut off the rest of a table.
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
    before_dashes = words[: words.index("--")] if "--" in words else words
    if debug := "--debug" in before_dashes:
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
    obey_supervisor()
    options.command_line = ["reszoo", *words]
    options.debug = debug
    return module.run(options) or 0


def _parser(name: str | None) -> tuple[_Parser, ModuleType | None]:
    """Returns the parser and the named command's module, the only one that is imported."""
    parser = _Parser(
        prog="reszoo",
        description="Residual, plain and highway networks from a page of YAML to an int8 file.",
        epilog="`reszoo COMMAND --help` lists a command's options. With --debug, any command shows "
        "tracebacks and TensorFlow's own messages.",
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
    subparser = commands.add_parser(
        name,
        help=COMMANDS[name],
        description=module.__doc__,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    module.add_options(subparser)
    parser.command = subparser
    return parser, module


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps each paragraph of a description by itself."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(paragraph, width, indent) for paragraph in text.split("\n\n"))


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are `UserError`s."""

    command: _Parser | None = None

    def error(self, message: str) -> NoReturn:
        raise UserError(message, hint=f"`{self.prog} --help` lists its options")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Raises an error for unknown words, with the most similar option as a hint."""
        parser = self.command or self
        known = [option for action in parser._actions for option in action.option_strings]
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            parser.error(f"unexpected: {' '.join(unknown)}")
        from reszoo.cli.aliases import line_for

        line = line_for(parser.prog.split()[-1], unknown[list(unknown).index(option) :], known)
        hint = did_you_mean(option.partition("=")[0], [*known, "--debug"])
        if line is not None:
            hint = f"write `{line}` instead"
        raise UserError(
            f"{parser.prog} has no option {option}",
            hint=hint or f"`{parser.prog} --help` lists its options",
        )
