"""The `reszoo train` command that repeats a training started from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reszoo import spec as specs
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.options import changed_options
from reszoo.training.teacher_record import as_list
from reszoo.training.training_arguments import TrainingArguments

_NAMES = {"start": "from"}
"""Options whose names differ from those of `reszoo.train`."""
_LEFT_OUT = ("data", "data_dir")
"""`data` is always in the command; `data_dir` changes no result."""


def command_facts(arguments: TrainingArguments, run: Path) -> dict[str, Any]:
    """Returns what run.json records: the command, or why there is none.

    Args:
      arguments: those of the training.
      run: the folder of its run.
    """
    if reasons := unrepeatable(arguments):
        started = f"Started from Python with {' and '.join(reasons)}"
        return {"command_note": f"{started}; no command repeats it"}
    return {"command": equivalent_command(arguments, run)}


def unrepeatable(arguments: TrainingArguments) -> list[str]:
    """Returns the arguments that no command can express, such as `images in memory`."""
    data, start = arguments.data, arguments.initial.start
    checks = {
        "images in memory": not isinstance(data.data, str),
        "weights by class": isinstance(data.class_weights, Mapping),
        "a starting network in memory": start is not None and not _is_path(start),
        "a teacher in memory": not all(map(_is_path, as_list(arguments.teacher))),
        "callbacks": bool(arguments.callbacks),
    }
    return [text for text, occurs in checks.items() if occurs]


def _is_path(target: object) -> bool:
    return isinstance(target, Run | str | Path)


def equivalent_command(arguments: TrainingArguments, run: Path) -> list[str]:
    """Returns the words of the command; see `unrepeatable`.

    A network or a recipe that was neither a name nor a file is read from the run's own folder.
    """
    words = ["reszoo", "train", *_network(arguments, run), "--data", str(arguments.data.data)]
    words += _recipe(arguments, run)
    if arguments.epochs is not None:
        words += ["--epochs", str(arguments.epochs)]
    for options in (arguments.data, arguments.initial, arguments.distribution):
        changed = changed_options(options)
        words += _options({name: changed[name] for name in changed if name not in _LEFT_OUT})
    words += _repeated("--teacher", map(_path_text, as_list(arguments.teacher)))
    policy, usual = arguments.policy.facts(), CheckpointPolicy().facts()
    words += _options({name: each for name, each in policy.items() if each != usual[name]})
    words += ["--seed", str(arguments.seed)]
    return words if arguments.out is None else [*words, "-o", str(arguments.out)]


def _network(arguments: TrainingArguments, run: Path) -> list[str]:
    spec = arguments.spec
    if isinstance(spec, Architecture) and not _is_of_the_zoo(spec):
        return [str(run / "architecture.yaml")]
    name = spec.name if isinstance(spec, Architecture) else spec
    words = [] if name is None else [str(name)]
    return [*words, *_repeated("--set", arguments.overrides)]


def _recipe(arguments: TrainingArguments, run: Path) -> list[str]:
    if isinstance(arguments.recipe, Recipe):
        return ["--recipe", str(run / "recipe.yaml")]
    words = [] if arguments.recipe is None else ["--recipe", str(arguments.recipe)]
    return [*words, *_repeated("--set-recipe", arguments.recipe_overrides)]


def _is_of_the_zoo(spec: Architecture) -> bool:
    """Whether the zoo has this network under this name."""
    if spec.name not in specs.names_of("architecture"):
        return False
    return specs.fingerprint(specs.load(spec.name)) == specs.fingerprint(spec)


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _options(values: Mapping[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in _option(name, value)]


def _option(name: str, value: Any) -> Iterator[str]:
    yield "--" + _NAMES.get(name, name).replace("_", "-")
    if name == "xla":
        yield "on" if value else "off"
    elif isinstance(value, list | tuple):
        yield ",".join(value)
    elif value is not True:
        yield _path_text(value)


def _path_text(value: object) -> str:
    return str(value.path if isinstance(value, Run) else value)
