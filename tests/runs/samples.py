"""A small architecture and recipe for run folders."""

from reszoo.spec import Architecture
from reszoo.spec.recipe import Recipe

TINY = Architecture.model_validate(
    {
        "name": "tiny",
        "input": {"shape": [8, 8, 1]},
        "stem": {"filters": 4},
        "stages": [{"depth": 1, "width": 4}],
        "classes": 3,
    }
)
SHORT = Recipe.model_validate({"name": "short", "epochs": 2, "batch": 8, "schedule": "constant"})


def new_run(path=None, **changes):
    from reszoo.runs import Run

    values = {
        "architecture": TINY,
        "recipe": SHORT,
        "data": {"name": "digits", "classes": ["a", "b", "c"]},
        "command": ["reszoo", "train", "tiny"],
        "seed": 7,
        "default_name": "tiny-digits",
    }
    return Run.create(path, **(values | changes))
