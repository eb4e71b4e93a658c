import math
from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.comparing.cost import cost_of, duration, energy
from search.files.history import History
from search.trials.reading import CONTINUES, FAILURE, INTERRUPTED, LOST, TRACEBACK, UNCLAIMED

NOON = datetime(2026, 11, 20, 12)


def trial(
    number: int, state: TrialState, from_s: float, to_s: float, epochs: int, **attributes: object
) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        datetime_start=NOON + timedelta(seconds=from_s),
        datetime_complete=NOON + timedelta(seconds=to_s),
        params={},
        distributions={},
        user_attrs=attributes,
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


def test_the_time_before_a_stop_counts_and_what_is_lost_with_a_process_does_not() -> None:
    trials = [
        trial(0, TrialState.FAIL, 0, 10, 4, **{INTERRUPTED: "Ctrl-C"}),
        trial(1, TrialState.COMPLETE, 100, 105, 8, **{CONTINUES: 0}),
        trial(2, TrialState.FAIL, 200, 9000, 3, **{LOST: "its process has died"}),
        trial(3, TrialState.FAIL, 200, 9000, 3, **{FAILURE: "5 processes in a row have died"}),
        trial(4, TrialState.FAIL, 300, 302, 1, **{FAILURE: "it raised", TRACEBACK: "..."}),
        trial(5, TrialState.FAIL, 400, 460, 0, **{INTERRUPTED: UNCLAIMED}),
    ]
    cost = cost_of(trials, epochs=8)
    assert (cost.busy_s, cost.trial_s) == (17, 17)
    assert cost.n_epochs == 8 + 3 + 1  # those before the stop are the continued trial's


def test_a_trial_that_diverged_was_not_ended_by_pruning() -> None:
    trials = [
        trial(0, TrialState.PRUNED, 0, 1, 2, **{FAILURE: "loss is not finite"}),
        trial(1, TrialState.PRUNED, 0, 1, 2),
    ]
    assert cost_of(trials, epochs=8).n_epochs_saved == 6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.25, "4.2 s"), (42, "42 s"), (210, "3.5 min"), (7560, "2.1 h")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def metered(*joules: float) -> History:
    epochs = tuple(range(1, len(joules) + 1))
    return History(0, "complete", epochs, (0.5,) * len(epochs), {"energy_j": joules})


def test_energy_is_that_of_the_epochs_of_which_it_is_known() -> None:
    trials = [trial(0, TrialState.COMPLETE, 0, 1, 3), trial(1, TrialState.PRUNED, 0, 1, 2)]
    unmetered = History(1, "pruned", (1, 2), (0.5, 0.5))
    whole = cost_of(trials, 3, [metered(1800, 900, 900), metered(1800, 1800)])
    part = cost_of(trials, 3, [metered(1800, math.nan, 1800), unmetered])
    assert (whole.energy_j, energy(whole)) == (7200, "2 Wh")
    assert (part.energy_j, energy(part)) == (3600, "1 Wh in 2 of 5 epochs")
    assert energy(cost_of(trials, 3, [unmetered])) is None
    assert energy(cost_of(trials, 3)) is None


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (0.0, "under 0.001 Wh"),
        (36.0, "0.01 Wh"),
        (999.4 * 3600, "999 Wh"),
        (999.6 * 3600, "1 kWh"),
        (12.34e3 * 3600, "12.3 kWh"),
        (1234.4e3 * 3600, "1,234 kWh"),
    ],
)
def test_energy_reads_as_on_a_bill(joules: float, text: str) -> None:
    trials = [trial(0, TrialState.COMPLETE, 0, 1, 1)]
    assert energy(cost_of(trials, 1, [metered(joules)])) == text
