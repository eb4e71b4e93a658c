from collections.abc import Sequence

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks import crowd
from benchmarks.looking import Looks
from tests.search.fake_trainer import FakeTrainer

EPOCHS = 3


def trial(
    number: int, state: TrialState = TrialState.COMPLETE, n_epochs: int = EPOCHS
) -> FrozenTrial:
    params = {"lr": 0.01, "drop_rate": number / 10}
    reports = {epoch: FakeTrainer().curve(params, epoch) for epoch in range(1, n_epochs + 1)}
    made = create_trial(
        params=params,
        distributions=dict.fromkeys(params, FloatDistribution(0, 1)),
        value=reports[n_epochs] if state == TrialState.COMPLETE else None,
        state=state,
        intermediate_values=reports,
    )
    made.number = number
    return made


def faults(trials: Sequence[FrozenTrial], ended: Sequence[int], total: int = 2) -> list[str]:
    return list(crowd._faults(trials, ended, total, EPOCHS))


def test_a_study_without_fault_has_none() -> None:
    assert faults([trial(0), trial(1, TrialState.PRUNED, n_epochs=1)], [1, 0]) == []


def test_a_trial_too_many_and_one_too_few_are_faults() -> None:
    three = [trial(number) for number in range(3)]
    assert faults(three, [0, 1, 2])[1] == "3 trials count, not 2"
    assert faults(three[:1], [0])[1] == "1 trials count, not 2"


def test_a_number_given_twice_is_a_fault() -> None:
    assert faults([trial(0), trial(0)], [0])[0] == "the trials are [0, 0], not 0 to 1"


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ([0, 1, 1], "trials that were ended more than once, and how often: {1: 2}"),
        ([0], "trials that nobody has ended: [1]"),
    ],
)
def test_every_trial_is_ended_by_one_process(ended: list[int], expected: str) -> None:
    assert faults([trial(0), trial(1)], ended) == [expected]


def test_a_trial_that_is_left_running_is_a_fault() -> None:
    running = trial(1, TrialState.RUNNING)
    assert faults([trial(0), running], [0, 1])[0].startswith("trial 1: RUNNING")


def test_a_value_that_the_parameters_do_not_give_is_a_fault() -> None:
    wrong = trial(1)
    wrong.intermediate_values[2] += 1e-9
    assert len(faults([trial(0), wrong], [0, 1])) == 1
    other = trial(1)
    other.value = 0.5
    assert faults([trial(0), other], [0, 1]) == ["trial 1: its value is 0.5 after 3 epochs"]


def test_a_complete_trial_has_all_its_epochs() -> None:
    assert len(faults([trial(0), trial(1, n_epochs=2)], [0, 1])) == 1


def test_a_dashboard_that_shows_too_little_is_a_fault() -> None:
    trials = [trial(0), trial(1)]
    assert list(crowd._unseen(Looks(n_seen=2), trials)) == []
    assert list(crowd._unseen(Looks(n_seen=1), trials)) == [
        "the dashboard: it showed 1 of 2 trials"
    ]
