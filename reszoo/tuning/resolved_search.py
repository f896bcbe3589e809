"""What a search comes to once its files are read: base, space, recipe, epochs, limits, starts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.recipe import Recipe, Validation, default_recipe_name
from reszoo.spec.search import Search
from reszoo.tuning.constraints import Constraints
from reszoo.tuning.hyperband import Rung, iterations_of, rungs
from reszoo.tuning.initial_candidates import beside, first_candidates, load_beside
from reszoo.tuning.sampling import CandidateSampler
from reszoo.tuning.space import Candidate, Space, space_of


@dataclass(frozen=True)
class ResolvedSearch:
    """A search with everything it names, resolved and checked. No TensorFlow."""

    search: Search
    space: Space
    recipe: Recipe
    """How every candidate is trained; its epochs are those of a fully trained one."""
    judge: Constraints
    start: tuple[Candidate, ...]
    """Candidates to try first."""

    @property
    def max_epochs(self) -> int:
        """Epochs of a fully trained candidate, which every schedule spans."""
        return self.recipe.epochs

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """How many candidates are trained for how long, in one iteration."""
        return rungs(self.search.strategy, self.max_epochs)

    @property
    def iterations(self) -> int:
        """How often the rungs are run."""
        return iterations_of(self.search.strategy)

    @property
    def planned(self) -> int:
        """How many trainings the search takes, were its space large enough."""
        return self.iterations * sum(rung.candidates for rung in self.rungs)

    def draws(self) -> CandidateSampler:
        """The candidates in the order in which this search meets them, from the beginning."""
        return CandidateSampler(self.judge, self.search.seed, self.start)


def prepare(
    search: Search | str | os.PathLike[str], *, classes: int | None = None, seed: int | None = None
) -> ResolvedSearch:
    """Reads and checks all that a search names.

    Args:
      search: the value, or its name or file.
      classes: of the data, where they are known; the base's otherwise.
      seed: replaces the search's.

    Raises:
      UserError: something in it cannot be used; the message has the line and column.
    """
    if not isinstance(search, Search):
        search = spec.load_search(os.fspath(search))
    if seed is not None:
        # model_copy keeps the places of the fields, for later messages.
        search = search.model_copy(update={"seed": seed})
    base = load_beside(search, search.base, search.where("base"))
    if classes is not None and classes != base.classes:
        base = base.model_copy(update={"classes": classes})
    space = space_of(search, base)
    judge = Constraints(space, search.limits)
    return ResolvedSearch(
        search, space, recipe_of(search, space), judge, first_candidates(search, space, judge)
    )


def recipe_of(search: Search, space: Space) -> Recipe:
    """The recipe of a search's trainings, with its overrides, epochs and validation."""
    side = max(space.base.input.shape[:2])
    overrides = [f"{path}={json.dumps(value)}" for path, value in search.recipe_overrides.items()]
    try:
        name = beside(search, search.recipe) if search.recipe else default_recipe_name(side)
        recipe = spec.load_recipe(name, overrides)
    except UserError as error:
        if error.where and "--set" not in str(error.where):
            raise
        where = search.where("recipe_overrides" if overrides else "recipe")
        raise UserError(
            error.what, where=where, expected=error.expected, found=error.found, hint=error.hint
        ) from None
    return recipe.model_copy(
        update={"epochs": _epochs(search, recipe), "validation": _validation(search, recipe)}
    )


def _epochs(search: Search, recipe: Recipe) -> int:
    epochs = search.strategy.max_epochs
    if epochs and "epochs" in search.recipe_overrides and recipe.epochs != epochs:
        raise UserError(
            "the epochs of a candidate are given twice",
            where=search.where("strategy", "max_epochs"),
            expected="one number",
            found=f"max_epochs {epochs}, and epochs {recipe.epochs} in recipe_overrides",
        )
    return epochs or recipe.epochs


def _validation(search: Search, recipe: Recipe) -> Validation:
    fraction = search.validation or recipe.validation.fraction
    if not fraction:
        raise UserError(
            f"the recipe {recipe.name} holds no images out to choose between candidates by",
            where=search.where("recipe"),
            expected="a validation fraction above 0",
            hint="give the search `validation: 0.1`",
        )
    return recipe.validation.model_copy(update={"fraction": fraction})
