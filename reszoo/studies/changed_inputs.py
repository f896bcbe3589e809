"""What may change between two studies in one folder: its runs belong to its inputs.

A study that trains keeps its runs and goes on with them. With other inputs runs would be mixed, or
left out of figure and table, so the folder is refused. More networks and more seeds add to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reszoo.counted import first_few
from reszoo.errors import UserError

_OPTIONS = {
    "data": "--data",
    "depths": "--depths",
    "recipe.epochs": "--epochs",
    "seed": "--seed",
    "seeds": "--seeds",
}
"""The options that give an input its earlier value again."""
_MOST_NAMED = 4
_LONGEST_VALUE = 40


def refuse_other_inputs(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses a study to which the runs of its folder do not belong.

    Args:
      folder: the folder of the study, with runs.
      before: the inputs of the study that trained them.
      now: the inputs of the study that is to go on with them.

    Raises:
      UserError: an input differs, a network is missing, or there are fewer seeds.
    """
    _refuse_missing_networks(folder, before, now)
    old, new = dict(_values(before)), dict(_values(now))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if not changed or (changed == ["seeds"] and new["seeds"] > old["seeds"]):
        return
    hint = "choose another folder with -o"
    if all(key in _OPTIONS and key in old for key in changed):
        options = " ".join(f"{_OPTIONS[key]} {_word(old[key])}" for key in changed)
        hint = f"{options} goes on with them; otherwise {hint}"
    raise UserError(
        f"the runs in {folder} were trained with other inputs",
        expected=_described(changed, old),
        found=_described(changed, new),
        hint=hint,
    )


def _refuse_missing_networks(
    folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    given = now.get("networks", [])
    missing = [network["name"] for network in before.get("networks", []) if network not in given]
    if missing:
        raise UserError(
            f"the study in {folder} has other networks, which would be left out",
            expected=f"{first_few(missing, _MOST_NAMED)} as before, beside any others",
            found=first_few([network["name"] for network in given], _MOST_NAMED),
            hint="name them too, or choose another folder with -o",
        )


def _values(inputs: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields each input by its path, such as `recipe.epochs`; where a run is does not matter."""
    for key, value in inputs.items():
        if isinstance(value, Mapping):
            yield from _values(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" not in ("networks", "run"):
            yield f"{prefix}{key}", value


def _described(keys: Sequence[str], values: Mapping[str, Any]) -> str:
    """Returns the inputs of some paths, cut to a line."""
    texts = {key: _word(values.get(key, "none")) for key in keys}
    short = {k: t if len(t) <= _LONGEST_VALUE else "..." for k, t in texts.items()}
    return first_few([f"{key} {text}" for key, text in short.items()], _MOST_NAMED)


def _word(value: Any) -> str:
    """Returns a value as a command line has it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
