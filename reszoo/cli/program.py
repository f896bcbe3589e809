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
from reszoo.gc_pause import pause_gc
from reszoo.parent_watch import obey_supervisor
from reszoo.version import VERSION
from reszoo.visible_output import visible_streams

COMMANDS = {
    "list": "list the networks and recipes of the zoo",
    "show": "show a network or a recipe: stages, cost, values, diagram",
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
    "predict": "classify images",
    "export": "export a trained network for a server or a device",
    "inspect": "inspect a .tflite file: operators, arena, metadata, targets",
    "verify": "check a bundle against its contract",
    "benchmark": "measure latency, throughput and memory on this machine",
    "study": "run one of the papers' experiments, with figures and tables",
    "tune": "search depth, width and other fields",
    "runs": "compare runs in one table",
    "report": "write an HTML page about runs, a search, a bundle or a study",
    "card": "write a model card in Markdown",
    "demo": "run the whole workflow on the embedded digits",
    "completion": "print a script that completes commands, options and names",
    "help": "show the options of a command",
}
"""Each command's one-line help.

The module `reszoo.cli.<command>` has its full help as docstring, `add_options(parser)`, and
`run(options)`, which returns the exit code or None for 0.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, or that of its error (see `reszoo.errors`)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr does: a file name that cannot be encoded must not cut off the rest of a table.
        sys.stdout.reconfigure(errors="backslashreplace")
    with visible_streams():
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(words: list[str]) -> int:
    debug = _take_debug(words)
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")
    # No plugin of pydantic's is meant for commands; looking for some reads files of every package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    name = _command_name(words)
    parser, module = command_parser(name)
    options, unknown = parser.parse_known_args(_command_first(words, name))
    if unknown:
        parser.refuse(unknown, words)
    if module is None:
        parser.print_help()
        return 0
    obey_supervisor()
    options.command_line = ["reszoo", *words]
    options.debug = debug
    return module.run(options) or 0


def full_parser() -> argparse.ArgumentParser:
    """Returns the parser with the options of every command, all of which it imports."""
    parser, commands = _main_parser()
    for name in COMMANDS:
        _add_command(commands, name)
    return parser


def _command_name(words: Sequence[str]) -> str | None:
    """Returns the command: the first word, or the first command after options in front of it."""
    others = [word for word in words if not word.startswith("-")]
    if not others:
        return None
    name = next((word for word in others if word in COMMANDS), others[0])
    if name not in COMMANDS or (words[0] == others[0] != name):
        hint = did_you_mean(others[0], COMMANDS) or "`reszoo --help` lists the commands"
        raise UserError(f"there is no command '{others[0]}'", hint=hint)
    return name


def _command_first(words: Sequence[str], name: str | None) -> list[str]:
    """Returns the words with the command before the options in front of it, as argparse needs."""
    if name is None:
        return list(words)
    index = words.index(name)
    return [name, *words[:index], *words[index + 1 :]]


def command_parser(name: str | None) -> tuple[_Parser, ModuleType | None]:
    """Returns the parser and the named command's module, the only one that is imported."""
    parser, commands = _main_parser()
    module = None
    for command, text in COMMANDS.items():
        if command == name:
            parser.command, module = _add_command(commands, name)
        else:
            commands.add_parser(command, help=text)
    return parser, module


def _main_parser() -> tuple[_Parser, argparse._SubParsersAction[_Parser]]:
    parser = _Parser(
        prog="reszoo",
        description="Residual, plain and highway networks from a page of YAML to an int8 file.",
        epilog="`reszoo help COMMAND` lists a command's options. With --debug, any command shows "
        "tracebacks and TensorFlow's own messages.",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"reszoo {VERSION}")
    return parser, parser.add_subparsers(metavar="COMMAND", title="commands")


def _add_command(
    commands: argparse._SubParsersAction[_Parser], name: str
) -> tuple[_Parser, ModuleType]:
    with pause_gc():
        module = importlib.import_module(f"reszoo.cli.{name}")
    parser = commands.add_parser(
        name,
        help=COMMANDS[name],
        description=module.__doc__,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    module.add_options(parser)
    return parser, module


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps each paragraph of a description by itself, and keeps commands beside their help."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment  # argparse leaves out their indent

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(paragraph, width, indent) for paragraph in text.split("\n\n"))


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are `UserError`s."""

    command: _Parser | None = None

    def error(self, message: str) -> NoReturn:
        from reszoo.cli.argument_errors import argument_error

        raise argument_error(self, message)

    def refuse(self, unknown: Sequence[str], words: Sequence[str]) -> NoReturn:
        """Raises an error for unknown words, with the option that is meant as a hint.

        The value of an unknown option is what follows it in `words`; argparse may have taken it for
        an argument.
        """
        parser = self.command or self
        known = [option for action in parser._actions for option in action.option_strings]
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            text = " ".join(unknown)
            is_data = text.startswith(("folder:", "csv:", "tfds:")) and "--data" in known
            raise UserError(
                f"unexpected: {text}",
                hint=f"write `--data {text}`"
                if is_data
                else f"leave out {text}; `{parser.prog} --help` lists its arguments",
            )
        from reszoo.cli.aliases import line_for

        line = line_for(parser.prog.split()[-1], words[list(words).index(option) :], known)
        hint = None
        if option.startswith("--"):  # One letter is like any other.
            hint = did_you_mean(option.partition("=")[0], [*known, "--debug"])
        if line is not None:
            hint = f"write `{line}` instead"
        raise UserError(
            f"{parser.prog} has no option {option}",
            hint=hint or f"`{parser.prog} --help` lists its options",
        )
