import itertools
import math
import random
from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from search.sampling.rungs import RungPruner, is_kept, rungs


def _kept_by_sorting(values: Sequence[float]) -> list[bool]:
    """The rule, said the other way round: the better half rounded up, and all its equals."""
    if len(values) < 5:
        return [True] * len(values)
    worst_kept = sorted(values, reverse=True)[math.ceil(len(values) / 2) - 1]
    return [value >= worst_kept for value in values]


def _cohort(curves: Sequence[Sequence[float]]) -> tuple[optuna.Study, list[optuna.Trial]]:
    study = optuna.create_study(direction="maximize")
    trials = [study.ask() for _ in curves]
    for epoch in range(1, len(curves[0]) + 1):
        for trial, curve in zip(trials, curves, strict=True):
            trial.report(curve[epoch - 1], step=epoch)
    return study, trials


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, ()), (2, (1,)), (3, (1, 2)), (8, (1, 2, 4)), (12, (2, 3, 6)), (30, (4, 8, 15))],
)
def test_rungs_stand_at_an_eighth_a_quarter_and_half_of_the_budget(
    epochs: int, expected: tuple[int, ...]
) -> None:
    assert rungs(epochs) == expected


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]) | st.floats(0, 1), min_size=1, max_size=12))
def test_the_better_half_and_its_equals_are_kept(values: list[float]) -> None:
    assert [is_kept(value, values) for value in values] == _kept_by_sorting(values)


@pytest.mark.parametrize("values", [(0.1, 0.2, 0.3, 0.4, 0.5), (0.3, 0.1, 0.3, 0.2, 0.3)])
def test_the_order_in_which_a_cohort_is_asked_about_does_not_matter(
    values: tuple[float, ...],
) -> None:
    # Every order of reporting and every order of asking, each alone and all at once.
    expected = {
        value for value, kept in zip(values, _kept_by_sorting(values), strict=True) if kept
    }
    for order in itertools.permutations(values):
        study, trials = _cohort([[value] for value in order])
        at_once = RungPruner(8).doomed(study, {trial.number: 1 for trial in trials})
        asked = random.Random(0).sample(trials, len(trials))
        alone = {t.number for t in asked if RungPruner(8).doomed(study, {t.number: 1})}
        assert at_once == alone
        assert {order[t.number] for t in trials if t.number not in at_once} == expected


def test_ending_the_doomed_one_by_one_changes_no_verdict() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    for order in itertools.permutations(range(6)):
        study, trials = _cohort([[value] for value in values])
        doomed = set()
        for number in order:
            if RungPruner(8).doomed(study, {number: 1}):
                doomed.add(number)
                study.tell(trials[number], state=TrialState.PRUNED)
        assert doomed == {0, 1, 2}


def test_trials_that_reached_the_rung_compete_whatever_became_of_them() -> None:
    study, trials = _cohort([[0.5], [0.6], [0.7], [0.8], [0.9], [0.1]])
    study.tell(trials[0], state=TrialState.PRUNED)
    study.tell(trials[1], 0.6)
    assert RungPruner(8).doomed(study, {5: 1}) == {5}
    study.tell(trials[2], state=TrialState.FAIL)
    study.tell(trials[3], state=TrialState.FAIL)
    assert RungPruner(8).doomed(study, {5: 1}) == set()  # four are left: too few to judge by


def test_the_best_value_so_far_counts_and_not_the_last() -> None:
    fallen = [0.9, 0.1]
    study, _ = _cohort([[0.2, 0.3], [0.2, 0.4], [0.2, 0.5], [0.2, 0.6], fallen])
    assert RungPruner(16).doomed(study, dict.fromkeys(range(5), 2)) == {0, 1}


def test_later_epochs_of_others_do_not_count_at_an_earlier_rung() -> None:
    study, _ = _cohort([[0.5, 0.9]] * 5)
    late = study.ask()
    late.report(0.6, step=1)
    assert RungPruner(8).doomed(study, {late.number: 1}) == set()


def test_members_of_one_cohort_are_judged_each_at_its_own_rung() -> None:
    late_bloomer = [0.0, 0.0, 0.0, 0.9]
    study, _ = _cohort([[0.1 * i] * 4 for i in range(1, 6)] + [late_bloomer])
    low, high = study.ask(), study.ask()
    low.report(0.05, step=1)
    high.report(0.55, step=1)
    epochs = {0: 4, 5: 4, low.number: 1, high.number: 1}
    assert RungPruner(8).doomed(study, epochs) == {0, low.number}


def test_nothing_is_pruned_between_rungs() -> None:
    study, _ = _cohort([[0.1 * i] * 3 for i in range(6)])
    assert RungPruner(8).doomed(study, dict.fromkeys(range(6), 3)) == set()


def test_between_rungs_the_storage_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = _cohort([[0.1] * 3])
    monkeypatch.delattr(optuna.Study, "get_trials")
    assert RungPruner(8).doomed(study, {0: 3}) == set()
