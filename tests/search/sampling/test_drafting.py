"""A trial that is drawn in memory is the one that Optuna would have drawn and written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.sampling.distributions import suggest
from search.sampling.drafting import draft
from search.sampling.drawing import FeasibleSampler
from search.sampling.grid import GridSampler
from search.sampling.samplers import N_SEEN, make_sampler
from search.space.values import Value
from search.storages.database_writes import Database
from tests.search.fake_trainer import SPACE, deep_average_is_infeasible, height


def begin_as_optuna_does(study: optuna.Study) -> Mapping[str, Value]:
    trial = study.ask()
    return SPACE.draw(lambda row: suggest(trial, row))


def begin_by_draft(study: optuna.Study) -> Mapping[str, Value]:
    trials = study.get_trials(deepcopy=False)
    assert isinstance(study.sampler, FeasibleSampler | GridSampler)
    own = draft(study, SPACE, study.sampler, trials, {})
    study._storage.create_new_trial(study._study_id, template_trial=own)
    return own.params


def outline(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.number, trial.state, trial.params, trial.distributions, trial.system_attrs


@pytest.mark.parametrize(
    ("name", "n_trials"), [("tpe", 24), ("random", 5), ("qmc", 12), ("cmaes", 24), ("gp", 17)]
)
def test_it_draws_and_notes_what_optuna_does_while_others_run(name: str, n_trials: int) -> None:
    studies = []
    for begin in (begin_as_optuna_does, begin_by_draft):
        sampler = make_sampler(name, SPACE, deep_average_is_infeasible, seed=3)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        for number in range(n_trials):
            params = begin(study)
            if number % 3:  # every third trial goes on running
                study.tell(number, height(params))
        studies.append(study)
    asked, drafted = studies
    assert list(map(outline, drafted.trials)) == list(map(outline, asked.trials))


def test_the_study_itself_keeps_its_sampler_and_gets_no_trial() -> None:
    study = optuna.create_study()
    before = study.sampler
    draft(study, SPACE, make_sampler("tpe", SPACE, lambda params: None, 0), [], {"owner": "me"})
    assert study.sampler is before
    assert study.trials == []


def test_a_draft_runs_and_has_its_attributes() -> None:
    sampler = make_sampler("random", SPACE, lambda params: None, 0)
    own = draft(optuna.create_study(), SPACE, sampler, [], {"owner": "me"})
    assert own.state == TrialState.RUNNING
    assert own.user_attrs == {"owner": "me"}


def filled(storage: RDBStorage, template: FrozenTrial) -> FrozenTrial:
    study = optuna.create_study(storage=storage)
    trial_id = storage.create_new_trial(study._study_id, template_trial=template)
    study = optuna.load_study(storage=storage, study_name=study.study_name)
    [trial] = study.trials
    assert trial._trial_id == trial_id
    return trial


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.COMPLETE, TrialState.WAITING])
def test_a_database_keeps_the_same_of_it_as_with_optunas_own_statements(
    state: TrialState, tmp_path: Path
) -> None:
    sampler = make_sampler("tpe", SPACE, lambda params: None, 0)
    own = draft(optuna.create_study(), SPACE, sampler, [], {"place": 3, "config": {"a": [1]}})
    template = create_trial(
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        params=own.params,
        distributions=own.distributions,
        user_attrs=own.user_attrs,
        system_attrs={"fixed_params": {"depth": 1}},
        intermediate_values={1: 0.25, 2: float("inf")},
    )
    template.datetime_start = own.datetime_start
    plain = filled(RDBStorage(f"sqlite:///{tmp_path}/plain.db"), template)
    own_way = filled(Database(f"sqlite:///{tmp_path}/own.db"), template)
    assert own_way == plain
    assert list(own_way.params) == list(plain.params)
    assert own_way.params == own.params


def test_tpe_learns_from_the_newest_trials_and_the_best_of_the_others() -> None:
    trials = [
        create_trial(state=TrialState.COMPLETE, value=float(number % 700))
        for number in range(2 * N_SEEN)
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    sampler = make_sampler("tpe", SPACE, lambda params: None, 0)
    seen = [trial.number for trial in sampler.seen(trials)]
    assert len(seen) == N_SEEN
    assert 699 in seen  # of value 699, the best
    assert set(range(N_SEEN + 50, 2 * N_SEEN)) <= set(seen)
    assert list(sampler.seen(trials[:N_SEEN])) == trials[:N_SEEN]
