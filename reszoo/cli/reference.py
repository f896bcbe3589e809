"""Reference pages of the documentation: the commands, and the fields of each kind of YAML file.

`python -m reszoo.cli.reference` writes them into `docs/`; a test checks that they are current.
"""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from reszoo.atomic_files import write_text
from reszoo.cli.options import value_name
from reszoo.cli.program import COMMANDS, command_parser
from reszoo.report.schema_tables import field_tables
from reszoo.report.text import markdown_table
from reszoo.spec import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
"""The pages of a checkout; the wheel has none."""

_COMMANDS_INTRODUCTION = """\
# Command line

    reszoo COMMAND [ARGUMENTS] [OPTIONS]

`reszoo --version` prints the version, and `reszoo COMMAND --help` the options of a command.
Every command also takes `--debug`, which shows tracebacks and TensorFlow's own messages.
[Errors](errors.md) have a common form, and exit codes a common meaning.

`--set FIELD=VALUE` changes any field of any file from the command line, `--json` prints
machine-readable output, and `--data` takes [one word](data.md). `list`, `show`, `validate` and
`schema` run without importing TensorFlow.
"""

_KINDS = {
    "architecture": "a network. [Writing a spec](specs.md) is the guide",
    "recipe": "how a network is trained. [Recipes](recipes.md) is the guide",
    "search": "which fields are searched, within which limits. [Tuning](tuning.md) is the guide",
    "target": "where an exported network runs. [Exporting](exporting.md) is the guide",
}
"""What each kind of file defines, and where to read on."""


def pages() -> dict[str, str]:
    """Returns the generated pages by file name."""
    return {
        "cli.md": command_page(),
        **{f"{kind}_fields.md": field_page(kind) for kind in KINDS},
    }


def write_pages() -> None:
    """Writes the generated pages into the documentation of this checkout."""
    for name, text in pages().items():
        write_text(DOCS / name, text)


def field_page(kind: str) -> str:
    """Returns the page of a kind of YAML file."""
    return (
        f"# Fields of {'an' if kind[0] in 'aeiou' else 'a'} {kind}\n\n"
        f"A YAML file of this kind defines {_KINDS[kind]}; `reszoo schema {kind}` prints this "
        "page as JSON Schema for [editors](editors.md). Fields that are not required may be left "
        f"out.\n\n{field_tables(kind)}"
    )


def command_page() -> str:
    """Returns the page of all commands."""
    summary = [(f"[`{name}`](#reszoo-{name})", text) for name, text in COMMANDS.items()]
    table = markdown_table(("command", "what it does"), summary)
    sections = ("\n\n".join(_command(name)) for name in COMMANDS)
    return "\n".join([_COMMANDS_INTRODUCTION, table, *(f"\n{text}" for text in sections)]) + "\n"


def _command(name: str) -> Iterator[str]:
    parser = command_parser(name)[0].command
    assert parser is not None
    arguments, options, *groups = parser._action_groups
    yield f"## reszoo {name}"
    yield _text((parser.description or "").strip())
    named = [action for group in (options, *groups) for action in group._group_actions]
    usage = [_usage(action) for action in arguments._group_actions]
    usage += [_usage(action) for action in named if action.required]
    yield "    " + " ".join(["reszoo", name, *usage, "[OPTIONS]"])
    listed = [*arguments._group_actions, *options._group_actions]
    rows = [_row(parser, action) for action in listed if action.dest != "help"]
    if rows:
        yield markdown_table(("argument or option", "meaning"), rows)
    for group in groups:
        yield _sentence(_text(group.title or "")) + ":"
        rows = [_row(parser, action) for action in group._group_actions]
        yield markdown_table(("option", "meaning"), rows)


def _row(parser: ArgumentParser, action: Action) -> tuple[str, str]:
    text = _text(parser._get_formatter()._expand_help(action))
    if action.choices is not None and action.metavar is None:
        choices = [f"`{choice}`" for choice in action.choices]
        text += f": {choices[0]}" if len(choices) == 1 else f"; one of {', '.join(choices)}"
    return _signature(action), text


def _signature(action: Action) -> str:
    """Returns the spellings of an option with its value, or the name of an argument."""
    if not action.option_strings:
        return f"`{value_name(action)}`"
    value = "" if action.nargs == 0 else f" {value_name(action)}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _usage(action: Action) -> str:
    value = " ".join([*action.option_strings[:1], value_name(action)])
    repeated = f"{value}..." if action.nargs in ("+", "*") else value
    return f"[{repeated}]" if action.nargs in ("?", "*") else repeated


def _text(text: str) -> str:
    """Returns a text of the parser as Markdown, with links to the pages it names."""
    return re.sub(r"docs/(\w+\.md)", _link, text.replace("*", r"\*"))


def _link(page: re.Match[str]) -> str:
    title = (DOCS / page[1]).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    return f"[{title}]({page[1]})"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    write_pages()
