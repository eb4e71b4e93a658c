"""The samplers by name: Optuna's, set for conditional spaces and short studies."""

import warnings
from collections.abc import Callable

from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from commands.errors import UserError
from search.sampling.distributions import distributions
from search.sampling.drawing import FeasibleSampler, Infeasible, Recipe
from search.sampling.grid import GridSampler
from search.sampling.seeds import derive
from search.space import Space

SAMPLERS = ("tpe", "random", "grid", "qmc", "cmaes", "gp")
"""The names, default first."""

N_SEEN = 1000
"""Of a study's trials, by TPE: whatever it does takes longer in proportion, and what is not among
the best 25 is as well described by a thousand as by ten thousand."""

Sampler = FeasibleSampler | GridSampler


def make_sampler(name: str, space: Space, infeasible: Infeasible, seed: int) -> Sampler:
    """Return the named sampler for a space; it draws feasible trials only."""
    if name == "grid":
        return GridSampler(space, infeasible)
    recipes = {"tpe": _tpe, "random": _random, "qmc": _qmc, "cmaes": _cmaes, "gp": _gp}
    if name not in recipes:
        raise UserError(f"--sampler {name}: unknown; there are {', '.join(SAMPLERS)}")
    return FeasibleSampler(recipes[name](space, seed), space, infeasible, seed)


def _tpe(space: Space, seed: int) -> Recipe:
    """Group: conditional parameters are modelled jointly with those they occur with."""

    def make(trial_seed: int) -> BaseSampler:
        return TPESampler(
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=10,
            seed=trial_seed,
        )

    return Recipe(_quiet(make), n_draws=100, n_seen=N_SEEN)


def _random(space: Space, seed: int) -> Recipe:
    return Recipe(lambda trial_seed: RandomSampler(trial_seed), n_draws=1000)


def _qmc(space: Space, seed: int) -> Recipe:
    """One scrambled Sobol sequence over all parameters; inactive ones leave theirs unused.

    Left alone, Optuna would take the parameters of the first trial and draw all others at
    random. The scramble belongs to the study, so its seed is the same for every trial.
    """
    scramble_seed = derive(seed, "scramble")

    def make(trial_seed: int) -> BaseSampler:
        return QMCSampler(
            qmc_type="sobol",
            scramble=True,
            seed=scramble_seed,
            independent_sampler=RandomSampler(trial_seed),
            warn_independent_sampling=False,
        )

    names = _joint(space, is_conditional_too=True)
    # A point of the sequence is a whole one; part of it may be replaced.
    return Recipe(_quiet(make), n_draws=500, joint=names, draws_known=True)


def _cmaes(space: Space, seed: int) -> Recipe:
    """Numbers that every trial has; the rest is drawn at random.

    Pruned trials are learnt from: the rung rule lets about 1 in 8 run to the end, and a
    generation made of those alone would take most of a study.
    """

    def make(trial_seed: int) -> BaseSampler:
        return CmaEsSampler(
            n_startup_trials=5,
            consider_pruned_trials=True,
            warn_independent_sampling=False,
            seed=trial_seed,
        )

    names = _joint(space, is_categorical_too=False)
    # Its generations are of one space; of a part of it they would be lost.
    return Recipe(_quiet(make), n_draws=100, joint=names, draws_known=True)


def _gp(space: Space, seed: int) -> Recipe:
    """What every trial has is modelled; a draw fits a model, so infeasible ones are few."""

    def make(trial_seed: int) -> BaseSampler:
        return GPSampler(n_startup_trials=10, warn_independent_sampling=False, seed=trial_seed)

    return Recipe(_quiet(make), n_draws=5, joint=_joint(space))


def _joint(
    space: Space, *, is_conditional_too: bool = False, is_categorical_too: bool = True
) -> tuple[str, ...]:
    """Return the names to draw jointly: of parameters that every trial has, or of all."""
    own = distributions(space)
    rows = space.parameters if is_conditional_too else space.active({})
    return tuple(
        row.name
        for row in rows
        if not own[row.name].single()
        and (is_categorical_too or not isinstance(own[row.name], CategoricalDistribution))
    )


def _quiet(make: Callable[[int], BaseSampler]) -> Callable[[int], BaseSampler]:
    """Make a sampler without Optuna's warning that one of its options is experimental."""

    def quietly(trial_seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return make(trial_seed)

    return quietly
