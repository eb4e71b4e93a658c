"""Drafting: a trial drawn in memory, and begun in one write.

Optuna begins a trial empty and writes each parameter as it is drawn, a transaction each. Here its
sampler draws for a trial that is on nobody's record yet, sees the study as it was read, and what
it notes on the trial is noted on the draft. Others see nothing of it, or all of it.
"""

import copy
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.sampling.distributions import distributions
from search.sampling.samplers import Sampler
from search.space import Space
from search.space.parameters import Parameter
from search.space.values import Value

_NOT_KEPT = -1
"""The id of a trial that no storage has."""


def draft(
    study: Study,
    space: Space,
    sampler: Sampler,
    trials: Sequence[FrozenTrial],
    attributes: Mapping[str, Any],
) -> FrozenTrial:
    """Return a running trial with its parameters, as a template for the storage.

    Args:
        trials: all of the study's, in order.
        attributes: the user's, with which it begins.
    """
    own = FrozenTrial(
        number=len(trials),
        trial_id=_NOT_KEPT,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs=dict(attributes),
        system_attrs={},
        intermediate_values={},
    )
    desk = _Desk(study._storage, own, sampler.seen(trials))
    seen = copy.copy(study)
    seen._storage = cast(BaseStorage, desk)
    seen.sampler = sampler
    sampler.before_trial(seen, own)
    together = sampler.infer_relative_search_space(seen, own)
    drawn = sampler.sample_relative(seen, own, together)
    rows = distributions(space)

    def choose(parameter: Parameter) -> Value:
        name, row = parameter.name, rows[parameter.name]
        if name in drawn and row._contains(row.to_internal_repr(drawn[name])):
            value = drawn[name]
        else:
            value = sampler.sample_independent(seen, own, name, row)
            row.to_internal_repr(value)  # refuses what is no value
        own.params[name], own.distributions[name] = value, row
        return cast(Value, value)

    space.draw(choose)
    own.system_attrs |= desk.notes
    return own


class _Desk:
    """Stands for a storage while one trial is drawn: the study was read once, and the draft."""

    def __init__(
        self, storage: BaseStorage, own: FrozenTrial, trials: Sequence[FrozenTrial]
    ) -> None:
        self._storage = storage
        self.notes: dict[str, Any] = {}
        """What the sampler has noted on the draft."""
        # As a storage would, it shows what was noted in an earlier attempt at the same draw.
        listed = copy.copy(own)
        listed.system_attrs = self.notes
        self._trials = [*trials, listed]

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        trials = [each for each in self._trials if states is None or each.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        assert trial_id == _NOT_KEPT, "a sampler notes on the trial that it draws"
        self.notes[key] = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)
