"""Errors of argparse as errors of reszoo: what is wrong, and the words to write."""

from __future__ import annotations

import argparse
import re

from reszoo.cli.options import value_name
from reszoo.errors import UserError, did_you_mean

_TYPES = {
    "int": ("a whole number", "1"),
    "float": ("a number", "0.5"),
}
_FOUND = re.compile(r"(?:expected (?P<expected>.+), )?found '?(?P<found>.*?)'?")


def argument_error(parser: argparse.ArgumentParser, message: str) -> UserError:
    """Returns the error for a message of argparse; the hint is what to write instead."""
    option, text = "", message
    if message.startswith("argument ") and ": " in message:
        option, _, text = message.removeprefix("argument ").partition(": ")
    name = next((word for word in option.split("/") if word.startswith("--")), option)
    actions = {argparse._get_action_name(action): action for action in parser._actions}
    action = actions.get(option)
    if text.startswith("the following arguments are required: "):
        missing = text.removeprefix("the following arguments are required: ").split(", ")
        choices = [
            f"{name.upper()}: {', '.join(map(str, actions[name].choices or ()))}"
            for name in missing
            if name in actions and actions[name].choices
        ]
        return UserError(
            message, expected="; ".join(choices) or None, hint=f"write `{_shortest_line(parser)}`"
        )
    if match := re.fullmatch(r"invalid choice: '(.*)' \(choose from .*\)", text):
        choices = [str(choice) for choice in (action.choices if action else None) or ()]
        return UserError(
            f"{name} cannot be '{match[1]}'",
            expected=", ".join(choices),
            found=match[1],
            hint=did_you_mean(match[1], choices) or f"write {_with_value(name, choices[0])}",
        )
    if match := re.fullmatch(r"invalid (\w+) value: '(.*)'", text):
        expected, example = _TYPES.get(match[1], (match[1], match[1].upper()))
        return UserError(
            f"{name} cannot be '{match[2]}'",
            expected=expected,
            found=match[2],
            hint=f"write {expected}, such as {_with_value(name, example)}",
        )
    if (match := _FOUND.fullmatch(text)) and match["expected"]:
        return UserError(
            f"{name} cannot be '{match['found']}'",
            expected=match["expected"],
            found=match["found"],
            hint=f"write {match['expected']} after {name}"
            if name.startswith("-")
            else f"write {match['expected']}",
        )
    if match := re.fullmatch(r"not allowed with argument (.*)", text):
        return UserError(f"{option} cannot be combined with {match[1]}", hint=f"leave out {option}")
    if "expected" in text and "argument" in text and action is not None:
        value = action.metavar or "VALUE"
        return UserError(message, hint=f"write {_with_value(name, str(value))}")
    if match := re.fullmatch(r"ignored explicit argument '?(.*?)'?", text):
        return UserError(f"{name} takes no value", found=match[1], hint=f"write {name} alone")
    return UserError(message, hint=f"`{parser.prog} --help` lists its options")


def _with_value(name: str, value: str) -> str:
    return f"`{name} {value}`" if name.startswith("-") else value


def _shortest_line(parser: argparse.ArgumentParser) -> str:
    """Returns the command with the arguments that it requires."""
    words = [parser.prog]
    for action in parser._actions:
        if action.required:
            option = max(action.option_strings, key=len, default="")
            words.append(f"{option} {value_name(action)}".strip())
    return " ".join(words)
