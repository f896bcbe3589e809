"""Print a script that completes commands, options and names in bash, zsh or fish.

Save it where the shell looks for completions, and again after each update of reszoo:

bash: ~/.local/share/bash-completion/completions/reszoo

zsh: _reszoo, in a folder of $fpath

fish: ~/.config/fish/completions/reszoo.fish
"""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator
from typing import Any

from reszoo import spec
from reszoo.cli.options import value_name

SHELLS = ("bash", "zsh", "fish")
FILES, FOLDERS = "files", "folders"

FREE_VALUES = (
    *("ADDRESS", "B", "CLASS,...", "CONNECTION,...", "DEVICES", "EPOCH", "FIELD=VALUE"),
    *("GROUP,...", "K", "N", "N,N,...", "N|TIME", "POINTS", "PORT", "RESOURCES", "SECONDS"),
    *("SEED", "SPLIT"),
)
"""Metavars of values that nothing completes."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")


def run(options: Namespace) -> None:
    print(completion_script(options.shell))


def completion_script(shell: str) -> str:
    """Returns the completion script of a shell, generated from the parser of every command."""
    import shtab

    from reszoo.cli.program import full_parser

    parser = full_parser()
    values = completed_values()
    for action in value_actions(parser):
        if value := values.get(value_name(action)):
            action.complete = _completer(value_name(action), *value)  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def completed_values() -> dict[str, tuple[list[str], str | None]]:
    """Returns what completes a value of each metavar: words, and files, folders or neither."""
    from reszoo.cli.program import COMMANDS

    networks, recipes = spec.names_of("architecture"), spec.names_of("recipe")
    return {
        "1|flip|5|10|airbench": (["1", "flip", "5", "10", "airbench"], None),
        "auto|LAYER,LAYER": (["auto"], None),
        "BUNDLE": ([], FOLDERS),
        "BUNDLE|FILE|RUN": ([], FILES),
        "COMMAND": (list(COMMANDS), None),
        "DATA": (["digits", "folder:", "csv:", "tfds:"], None),
        "FAMILY": (spec.families(), None),
        "FILE": ([], FILES),
        "FILE.html": ([], FILES),
        "FILE.md": ([], FILES),
        "FILE.keras": ([], FILES),
        "FILE.png": ([], FILES),
        "FOLDER": ([], FOLDERS),
        "IMAGE": ([], FILES),
        "NAME|FILE": (networks, FILES),
        "NAME|FILE|RUN": (networks, FILES),
        "PATTERN": ([*networks, *recipes], None),
        "RECIPE": (recipes, FILES),
        "RUN": ([], FOLDERS),
        "RUN|BUNDLE": ([], FOLDERS),
        "RUN|FILE.keras": ([], FILES),
        "RUN|FOLDER|BUNDLE|SEARCH|STUDY": ([], FOLDERS),
        "RUN|NAME|FILE": (networks, FILES),
        "FILE|BUNDLE": ([], FILES),
        "RUN|MODEL": ([], FILES),
        "RUN|MODEL|TFLITE": ([], FILES),
        "SEARCH": (spec.names_of("search"), FILES),
        "SOURCE": (["keras:imagenet", "timm:"], FILES),
        "TARGET": (spec.names_of("target"), FILES),
    }


def value_actions(parser: ArgumentParser) -> Iterator[Action]:
    """Yields the actions of a parser and its commands that take a value without choices."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                yield from value_actions(command)
        elif action.nargs != 0 and action.choices is None and action.help != SUPPRESS:
            yield action


def _completer(name: str, words: list[str], paths: str | None) -> dict[str, object]:
    """Returns what shtab reads from `Action.complete`: per shell, a function or its arguments."""
    import shtab

    on_disk: Any = {FILES: shtab.FILE, FOLDERS: shtab.DIRECTORY}.get(paths or "", {})
    if not words:
        return dict(on_disk)
    # bash appends a slash to folders where the function's name has `_file` in it.
    function = f"_reszoo_{paths or 'words'}_" + re.sub(r"\W", "_", name)
    listed = " ".join(words)
    lines = {
        "bash": [f'compgen -W "{listed}" -- "$1"', f'{on_disk.get("bash", ":")} "$1"'],
        "zsh": [f"compadd -- {listed}", on_disk.get("zsh", ":")],
    }
    functions = {
        shell: f"{function}() {{\n  " + "\n  ".join(body) + "\n}\n" for shell, body in lines.items()
    }
    fish = f"{listed} {on_disk.get('fish', '')}".rstrip()
    return {"bash": function, "zsh": function, "fish": fish, "preamble": functions}
