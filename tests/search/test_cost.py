from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.cost import cost_of, duration

NOON = datetime(2026, 11, 20, 12)


def trial(number: int, state: TrialState, from_s: float, to_s: float, epochs: int) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        datetime_start=NOON + timedelta(seconds=from_s),
        datetime_complete=NOON + timedelta(seconds=to_s),
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values=dict.fromkeys(range(1, epochs + 1), 0.5),
        trial_id=number,
    )


def test_time_counts_once_where_trials_overlap_and_pauses_do_not_count() -> None:
    trials = [
        trial(0, TrialState.COMPLETE, 0, 10, 8),
        trial(1, TrialState.PRUNED, 5, 12, 2),
        trial(2, TrialState.COMPLETE, 100, 103, 8),
    ]
    cost = cost_of(trials, epochs=8)
    assert cost.busy_s == 15
    assert cost.trial_s == 20
    assert (cost.n_epochs, cost.n_epochs_saved) == (18, 6)
    assert cost.saved_fraction == 0.25


def test_what_failed_or_stopped_early_by_itself_saved_nothing() -> None:
    trials = [trial(0, TrialState.FAIL, 0, 1, 2), trial(1, TrialState.COMPLETE, 0, 1, 5)]
    assert cost_of(trials, epochs=8).n_epochs_saved == 0
    assert cost_of([], epochs=None).saved_fraction == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.25, "4.2 s"), (42, "42 s"), (210, "3.5 min"), (7560, "2.1 h")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
