"""Trials that a study has before it is timed: as the engine leaves them, thousands in seconds."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import insert
from sqlalchemy.orm import Session

from search.hosts import owner
from search.sampling.distributions import distributions, uniform
from search.sampling.rungs import rungs
from search.space import Space
from search.studies.study import OpenStudy
from search.trials.reading import CONFIG, ENVIRONMENT, OWNER, PLACE, SEED
from tests.search.fake_trainer import FakeTrainer, height

_AT_ONCE = 500


def fill(opened: OpenStudy, n_trials: int, epochs: int) -> None:
    """Have a study so many trials at least.

    A database gets its rows in bulk: trial by trial ten thousand would take minutes.
    """
    numbers = range(len(opened.study.get_trials(deepcopy=False)), n_trials)
    storage = opened.place.storage
    if not isinstance(storage, RDBStorage):
        opened.study.add_trials(ended(opened.space, number, epochs) for number in numbers)
        return
    with Session(storage.engine) as session:
        for begin in range(0, len(numbers), _AT_ONCE):
            some = {n: ended(opened.space, n, epochs) for n in numbers[begin : begin + _AT_ONCE]}
            _insert(session, opened.study._study_id, some)
        session.commit()


def _insert(session: Session, study_id: int, trials: Mapping[int, FrozenTrial]) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    times = {"_datetime_start_utc": now, "_datetime_complete_utc": now}
    new = insert(models.TrialModel).returning(
        models.TrialModel.trial_id, sort_by_parameter_order=True
    )
    ids = session.execute(
        new,
        [
            {"study_id": study_id, "number": number, "state": trial.state, **times}
            for number, trial in trials.items()
        ],
    ).scalars()
    rows = defaultdict(list)
    for trial_id, trial in zip(ids, trials.values(), strict=True):
        for model, row in _rows(trial):
            rows[model].append({"trial_id": trial_id, **row})
    for model, values in rows.items():
        session.execute(insert(model), values)


def _rows(trial: FrozenTrial) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield what Optuna's tables hold of a trial, besides itself."""
    for name, row in trial.distributions.items():
        value = row.to_internal_repr(trial.params[name])
        kind = distribution_to_json(row)
        yield (
            models.TrialParamModel,
            {"param_name": name, "param_value": value, "distribution_json": kind},
        )
    for key, attribute in trial.user_attrs.items():
        yield models.TrialUserAttributeModel, {"key": key, "value_json": json.dumps(attribute)}
    curve = models.TrialIntermediateValueModel
    for step, reported in trial.intermediate_values.items():
        stored, kind_of = curve.intermediate_value_to_stored_repr(reported)
        yield (
            curve,
            {"step": step, "intermediate_value": stored, "intermediate_value_type": kind_of},
        )
    if trial.value is not None:
        result, kind_of_result = models.TrialValueModel.value_to_stored_repr(trial.value)
        yield (
            models.TrialValueModel,
            {"objective": 0, "value": result, "value_type": kind_of_result},
        )


def ended(space: Space, number: int, epochs: int) -> FrozenTrial:
    """Return a trial as the engine leaves it, drawn at random; half are pruned at each rung."""
    random = Random(number)
    own = space.draw(lambda row: uniform(row, random))
    ends = (*rungs(epochs), epochs)
    left = [2.0 ** -min(i, len(ends) - 1) for i in range(1, len(ends) + 1)]
    n_epochs = random.choices(ends, left)[0]
    values = {epoch: height(own) * (1 - 0.5**epoch) for epoch in range(1, n_epochs + 1)}
    is_complete = n_epochs == epochs
    rows = distributions(space)
    return create_trial(
        state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
        value=max(values.values()) if is_complete else None,
        params=own,
        distributions={name: rows[name] for name in own},
        intermediate_values=values,
        user_attrs={
            PLACE: number,
            SEED: number,
            OWNER: owner.this_process(),
            ENVIRONMENT: dict(FakeTrainer().environment),
            CONFIG: {"network": dict(own), "training": {"seed": number}},
        },
    )
