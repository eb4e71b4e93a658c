from pathlib import Path

import pytest
from optuna.trial import TrialState

from commands.errors import UserError
from search.sampling.pruners import PRUNERS, make_pruner
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import searched, trials_in


@pytest.mark.parametrize("pruner", ["rungs", "median", "hyperband"])
def test_a_pruner_ends_bad_trials_early_and_keeps_the_best(pruner: str, tmp_path: Path) -> None:
    outcome = searched(tmp_path, 20, pruner=pruner)
    trials = trials_in(tmp_path)
    ended = {
        state: [len(trial.intermediate_values) for trial in trials if trial.state == state]
        for state in (TrialState.COMPLETE, TrialState.PRUNED)
    }
    assert len(ended[TrialState.PRUNED]) >= 5
    assert all(n_epochs < 8 for n_epochs in ended[TrialState.PRUNED])
    assert all(n_epochs == 8 for n_epochs in ended[TrialState.COMPLETE])
    assert outcome.best is not None
    highest = max(max(trial.intermediate_values.values()) for trial in trials)
    assert outcome.best.value == highest


def test_no_pruner_lets_every_trial_train_to_its_end(tmp_path: Path) -> None:
    outcome = searched(tmp_path, 12, pruner="none")
    assert (outcome.standing.n_complete, outcome.standing.n_pruned) == (12, 0)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_every_pruner_works_with_a_budget_of_one_epoch(pruner: str, tmp_path: Path) -> None:
    outcome = searched(tmp_path, 8, pruner=pruner, trainer=FakeTrainer(epochs=1))
    assert outcome.standing.n_complete == 8


def test_an_unknown_pruner_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"--pruner asha.*rungs, median, hyperband, none"):
        make_pruner("asha", 8)
