"""Drawing trials that can be trained: a sampler around any of Optuna's.

Optuna draws parameter by parameter while a trial runs, so a combination that cannot be trained
shows too late. Here the whole conditional draw is made, judged and repeated if need be before
the trial gets its first value: infeasible combinations never become trials.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from random import Random
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from commands.errors import UserError
from search.sampling.distributions import distributions, tidy, uniform
from search.sampling.seeds import derive
from search.space import Space
from search.space.parameters import Parameter
from search.space.values import Value
from search.trials.reading import ranked

Infeasible = Callable[[Mapping[str, Value]], str | None]
"""Says why parameters (fixed ones included) cannot be trained, or None."""

_N_UNIFORM_DRAWS = 2000
"""Finds a feasible share of 1 in 400 with 99 % certainty: 1 - (1 - 1/400)**2000 = 0.993."""

N_BEST_SEEN = 50
"""Of older trials. TPE learns what is good from the best 25 at most (Optuna's `gamma`)."""


@dataclass(frozen=True)
class Recipe:
    """How to make one of Optuna's samplers, and how to draw with it."""

    make: Callable[[int], BaseSampler]
    """Makes the sampler from a seed."""
    n_draws: int
    """Draws before infeasible ones are given up for uniform ones."""
    joint: tuple[str, ...] | None = None
    """Names drawn jointly; None leaves it to the sampler to infer them from the trials."""
    draws_known: bool = False
    """Whether values that are known must be drawn all the same, and are then replaced."""
    n_seen: int | None = None
    """The most trials that it learns from, where its work grows with them; None: all."""


def check_trainable(space: Space, infeasible: Infeasible) -> None:
    """Raise `UserError`, with a reason, if nothing in the space can be trained.

    A finite space is looked through, of another many uniform draws are looked at.
    """
    random = Random(0)
    draws = (
        space.draw(lambda parameter: uniform(parameter, random)) for _ in range(_N_UNIFORM_DRAWS)
    )
    is_small = (space.n_grid_points() or math.inf) <= _N_UNIFORM_DRAWS
    reason: str | None = None
    for params in space.grid() if is_small else draws:
        reason = infeasible({**space.fixed, **params})
        if reason is None:
            return
    raise UserError(f"{space.title}: nothing in this space can be trained here: {reason}")


class FeasibleSampler(BaseSampler):
    """Draws complete, feasible trials of a space with a base sampler made anew for each trial.

    The base sampler's seed depends on the study's seed and the trial's place alone, so a study
    continues in a new process as if it had never stopped.
    """

    tries_baselines = True
    """Known good trials come first."""

    def __init__(self, recipe: Recipe, space: Space, infeasible: Infeasible, seed: int) -> None:
        self._recipe = recipe
        self._space = space
        self._infeasible = infeasible
        self._seed = seed
        self._distributions = distributions(space)
        self._base: BaseSampler = RandomSampler(seed)
        self._shared: Mapping[str, Value] = {}
        self._place: int | None = None

    def at(self, place: int) -> "FeasibleSampler":
        """Return this sampler for the trial of a place; without, its number stands for that."""
        placed = copy(self)
        placed._place = place
        return placed

    def sharing(self, values: Mapping[str, Value]) -> "FeasibleSampler":
        """Return this sampler for trials that have these values; it draws the rest."""
        sharing = copy(self)
        sharing._shared = dict(values)
        return sharing

    def seen(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """Return those of a study's trials that it learns from: the best and the newest."""
        most = self._recipe.n_seen
        if most is None or len(trials) <= most:
            return trials
        newest = len(trials) - most + N_BEST_SEEN
        best = {trial.number for trial in ranked(trials[:newest])[:N_BEST_SEEN]}
        return [
            trial
            for trial in trials
            if trial.number >= newest or trial.number in best or not trial.state.is_finished()
        ]

    def is_exhausted(self, study: Study) -> bool:
        """Tell whether there is nothing left to draw; never, for a sampler that may repeat."""
        return False

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the base sampler of this trial."""
        self._base = self._recipe.make(derive(self._seed, "sampler", self._place_of(trial)))
        self._base.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space: every value is drawn in `sample_relative`."""
        return dict(self._distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw until a combination can be trained, and return its active parameters."""
        # What was enqueued, a known good trial, comes as it is.
        known = {**self._shared, **trial.system_attrs.get("fixed_params", {})}
        reason: str | None = None
        uniform = RandomSampler(derive(self._seed, "uniform", self._place_of(trial)))
        joint = self._joint(study, trial, known)
        for attempt in range(self._recipe.n_draws + _N_UNIFORM_DRAWS):
            if attempt < self._recipe.n_draws:
                base, together = self._base, self._base.sample_relative(study, trial, joint)
            else:
                base, together = uniform, {}
            params = self._walk(study, trial, base, {**together, **known})
            reason = self._infeasible({**self._space.fixed, **params})
            if reason is None:
                return params
        raise UserError(
            f"{self._space.title}: no trainable combination among "
            f"{self._recipe.n_draws + _N_UNIFORM_DRAWS} draws; the last one: {reason}"
        )

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value with the base sampler."""
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the base sampler."""
        self._base.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Reseed the base sampler; each trial has a seed of its own anyway."""
        self._base.reseed_rng()

    def _place_of(self, trial: FrozenTrial) -> int:
        return trial.number if self._place is None else self._place

    def _joint(
        self, study: Study, trial: FrozenTrial, known: Mapping[str, Any]
    ) -> dict[str, BaseDistribution]:
        if self._recipe.joint is None:
            joint = self._base.infer_relative_search_space(study, trial)
        else:
            joint = {name: self._distributions[name] for name in self._recipe.joint}
        if self._recipe.draws_known:
            return joint
        # Among candidates that differ in what is known anyway, the best would be chosen for that.
        return {name: row for name, row in joint.items() if name not in known}

    def _walk(
        self,
        study: Study,
        trial: FrozenTrial,
        base: BaseSampler,
        drawn: Mapping[str, Any],
    ) -> dict[str, Value]:
        """Draw what is active, in order, parents first; `drawn` holds what is known already."""

        def choose(parameter: Parameter) -> Value:
            own = self._distributions[parameter.name]
            if parameter.name in drawn:
                value = drawn[parameter.name]
            elif own.single():
                # A range of one point has no width to draw from; some samplers divide by it.
                value = (parameter.grid() or ())[0]
            else:
                value = base.sample_independent(study, trial, parameter.name, own)
            return tidy(parameter, value)

        return self._space.draw(choose)
