"""The grid: every feasible point of a finite space once, known good ones first, then no more."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from itertools import chain
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from commands.errors import UserError
from search.sampling.distributions import distributions
from search.sampling.drawing import Infeasible
from search.space import Space
from search.space import grid as space_grid
from search.space.parameters import Choice
from search.space.values import Value
from search.trials.reading import is_counted, point


class GridSampler(BaseSampler):
    """Hands out the first feasible point that no counted trial has, baselines before others.

    What is left follows from the study's trials, so that runs and processes share the grid;
    a point whose trial was interrupted comes again.
    """

    tries_baselines = False
    """They are points of the grid, handed out like any other."""

    def __init__(self, space: Space, infeasible: Infeasible) -> None:
        endless = [row.name for row in space.parameters if row.n_values() is None]
        if endless:
            raise UserError(
                f"--sampler grid: {space.title} has no finite grid: {', '.join(endless)} "
                "continuous; give a step or options, or take another sampler"
            )
        self._space = space
        self._infeasible = infeasible
        self._shared: Mapping[str, Value] = {}

    def at(self, place: int) -> "GridSampler":
        """Return this sampler: a point depends on which are left, not on the trial's place."""
        return self

    def sharing(self, values: Mapping[str, Value]) -> "GridSampler":
        """Return this sampler for the points that have these values."""
        sharing = copy(self)
        sharing._shared = dict(values)
        return sharing

    def seen(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """Return all trials: each takes its point."""
        return trials

    def is_exhausted(self, study: Study) -> bool:
        """Tell whether every feasible point, of those with shared values, has its trial."""
        return next(self._left(study), None) is None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space: every value is given in `sample_relative`."""
        return distributions(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the next point."""
        return dict(next(self._left(study), {}))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Refuse: a point of the grid is complete."""
        raise UserError(f"--sampler grid: no point left that could give {param_name} a value")

    def _left(self, study: Study) -> Iterator[Mapping[str, Value]]:
        trials = study.get_trials(deepcopy=False)
        taken = {point(trial.params) for trial in trials if is_counted(trial)}
        for params in chain(self._space.baselines, self._points()):
            is_asked_for = self._shared.items() <= params.items()
            is_new = is_asked_for and point(params) not in taken
            if is_new and self._infeasible({**self._space.fixed, **params}) is None:
                yield params

    def _points(self) -> Iterator[Mapping[str, Value]]:
        """Yield points in order; those without the shared values are not even looked at."""
        rows = [
            Choice(row.name, (self._shared[row.name],), when=row.when)
            if row.name in self._shared
            else row
            for row in self._space.parameters
        ]
        return space_grid.points(rows, self._space.fixed)
