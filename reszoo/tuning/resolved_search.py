"""A search with its files read and checked: base, space, recipe, limits, initial candidates."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe, Validation, default_recipe_name
from reszoo.spec.search import Search
from reszoo.spec.search_strategy import DEFAULT_BATCH
from reszoo.spec.target import Target
from reszoo.tuning.bound_constraints import bind_constraints
from reszoo.tuning.constraints import Constraints
from reszoo.tuning.hyperband import Rung, rungs
from reszoo.tuning.initial_candidates import (
    find_initial_candidates,
    load_architecture,
    resolve_path,
)
from reszoo.tuning.measured_limits import MeasuredLimits, measured_target
from reszoo.tuning.measured_sampling import MeasuredSampler
from reszoo.tuning.sampling import ENUMERABLE_BEFORE, CandidateSampler
from reszoo.tuning.space import Candidate, Space, build_space


@dataclass(frozen=True)
class ResolvedSearch:
    """A search with everything that it names resolved and checked, without TensorFlow."""

    search: Search
    space: Space
    recipe: Recipe
    """The recipe of every candidate but for what is searched; see `Space.recipe`. Its epochs are
    those of a fully trained candidate."""
    constraints: Constraints
    initial_candidates: tuple[Candidate, ...]
    target: Target | None = None
    """The target whose file is measured; None where no limit needs a measurement."""
    measured: MeasuredLimits | None = None
    """Checks the files of candidates while the search runs; without it they pass."""
    recipe_epochs: int | None = None
    """Epochs of the recipe itself. Defaults to those of a fully trained candidate."""
    recorded: int = 0
    """How many of the initial candidates are the trials of a search that this one extends, which
    any strategy proposes first."""

    @property
    def max_epochs(self) -> int:
        """Epochs of a fully trained candidate, which every schedule spans."""
        return self.recipe.epochs

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs of one iteration."""
        trials = None
        if self.search.strategy.kind == "grid":
            combinations = self.constraints.combinations
            trials = combinations.size if combinations.listed is None else len(combinations.listed)
        elif self.search.strategy.kind == "list":
            trials = len(set(self.initial_candidates))
        return rungs(self.search.strategy, self.max_epochs, trials)

    @property
    def batch(self) -> int:
        """Number of candidates that are proposed at a time, from the results before them."""
        return self.search.strategy.batch or DEFAULT_BATCH

    @property
    def iterations(self) -> int:
        """How many times the rungs run."""
        return self.search.strategy.iterations or 1

    @property
    def planned(self) -> int:
        """Number of trainings, in a space that is large enough."""
        return self.iterations * sum(rung.candidates for rung in self.rungs)

    @property
    def is_drawn_as_before(self) -> bool:
        """Whether candidates are drawn in the order of searches of format version 1."""
        return self.constraints.combinations.is_space and self.space.size <= ENUMERABLE_BEFORE

    @property
    def planned_trainings(self) -> int:
        """Number of trainings with those of references and of further seeds."""
        return self.planned + self.search.further_trainings

    @property
    def planned_epochs(self) -> int:
        """Epochs of all trainings, in a space that is large enough."""
        further = self.search.further_trainings * self.max_epochs
        return self.iterations * sum(rung.epochs for rung in self.rungs) + further

    def sampler(self) -> CandidateSampler | MeasuredSampler:
        """Returns a sampler that draws this search's candidates from the first one on."""
        sampler = CandidateSampler(self.constraints, self.search.seed, self.initial_candidates)
        if self.measured is None:
            return sampler
        return MeasuredSampler(sampler, self.measured, self.search, self.space)

    def violations(self, candidate: Candidate) -> Mapping[str, str]:
        """Returns a sentence for each limit that a candidate violates, by the limit's name.

        Its file is measured only where its plan is within all limits.
        """
        check = self.constraints.check(candidate)
        if check.violations or self.measured is None:
            return check.violations
        return self.measured.check(self.space.spec(candidate))

    def measured_costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns the measured costs of a candidate, by the limit's name; none without a target."""
        if self.measured is None:
            return {}
        return self.measured.costs(self.space.spec(candidate))


def resolve_search(
    search: Search | str | os.PathLike[str], *, classes: int | None = None, seed: int | None = None
) -> ResolvedSearch:
    """Reads and checks everything that a search names; errors have the line and column in its file.

    `classes` defaults to the number of the base, and `seed` to that of the search.
    """
    if not isinstance(search, Search):
        search = spec.load_search(os.fspath(search))
    if seed is not None:
        # model_copy keeps the places of the fields, for later messages.
        search = search.model_copy(update={"seed": seed})
    base = load_architecture(search, search.base, search.where("base"))
    if classes is not None and classes != base.classes:
        base = base.model_copy(update={"classes": classes})
    recipe, recipe_epochs = _resolve_recipe(search, base)
    space = build_space(search, base, recipe)
    target = measured_target(search)
    is_limit = search.limits.target is not None
    bound = bind_constraints(search, space)
    constraints = Constraints(space, search.limits, bound, target if is_limit else None)
    initial_candidates = find_initial_candidates(search, space, constraints)
    return ResolvedSearch(
        search,
        space,
        recipe,
        constraints,
        initial_candidates,
        target,
        recipe_epochs=recipe_epochs,
    )


def _resolve_recipe(search: Search, base: Architecture) -> tuple[Recipe, int]:
    """Returns the recipe of a search with its overrides, epochs and validation.

    Beside it, the epochs of the recipe itself.
    """
    size = base.input.shape[:2]
    overrides = [f"{path}={json.dumps(value)}" for path, value in search.recipe_overrides.items()]
    try:
        default = default_recipe_name(*size, normalized=base.has_normalized_blocks)
        name = resolve_path(search, search.recipe) if search.recipe else default
        recipe = spec.load_recipe(name, overrides)
    except UserError as error:
        if error.where and "--set" not in str(error.where):
            raise
        where = search.where("recipe_overrides" if overrides else "recipe")
        raise error.changed(where=where) from None
    update = {"epochs": _epochs(search, recipe), "validation": _validation(search, recipe)}
    return recipe.model_copy(update=update), recipe.epochs


def _epochs(search: Search, recipe: Recipe) -> int:
    epochs = search.strategy.max_epochs
    if epochs and "epochs" in search.recipe_overrides and recipe.epochs != epochs:
        raise UserError(
            "the epochs of a candidate are given twice",
            where=search.where("strategy", "max_epochs"),
            expected="one number",
            found=f"max_epochs {epochs}, and epochs {recipe.epochs} in recipe_overrides",
            hint="remove `epochs` from recipe_overrides",
        )
    return epochs or recipe.epochs


def _validation(search: Search, recipe: Recipe) -> Validation:
    fraction = search.validation or recipe.validation.fraction
    if not fraction:
        raise UserError(
            f"the recipe {recipe.name} holds out no images to compare candidates on",
            where=search.where("recipe"),
            expected="a validation fraction above 0",
            hint="give the search `validation: 0.1`",
        )
    return recipe.validation.model_copy(update={"fraction": fraction})
