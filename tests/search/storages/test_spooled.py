"""Results that wait while their storage is away, and how they are delivered."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from search.hosts import owner
from search.storages.patience import Patience
from search.storages.patient_storage import PatientStorage
from search.storages.spool import END, REPORT, Spool, Write
from search.trials.reading import BEAT, OWNER
from tests.search.storages.flaky import Bench, Flaky


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_results_of_own_trials_do_not_wait_and_arrive_in_order(bench: Bench) -> None:
    trial_id = bench.trial()
    bench.flaky.n_away = 1
    bench.patient.set_trial_intermediate_value(trial_id, 1, 0.25)
    bench.patient.set_trial_intermediate_value(trial_id, 2, 0.5)
    bench.patient.set_trial_user_attr(trial_id, "best_epoch", 2)
    bench.patient.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
    assert bench.clock.slept == []
    assert len(bench.spool.read_text().splitlines()) == 5
    trial = bench.patient.get_trial(trial_id)
    assert trial.intermediate_values == {1: 0.25, 2: 0.5}
    assert (trial.state, trial.value, trial.user_attrs["best_epoch"]) == (
        *(TrialState.COMPLETE, 0.5, 2),
    )
    assert not bench.spool.exists()


def test_a_storage_that_is_away_is_not_asked_with_every_result(bench: Bench) -> None:
    trial_id = bench.trial()
    bench.flaky.n_away = 1000
    bench.flaky.asked.clear()
    for step in range(1, 50):
        bench.patient.set_trial_intermediate_value(trial_id, step, 0.5)
    assert len(bench.flaky.asked) == 1


def test_results_for_which_the_disk_has_no_room_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Spool, write: Write) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "add", full)
    trial_id = bench.trial()
    bench.flaky.n_away = 2
    bench.patient.set_trial_intermediate_value(trial_id, 1, 0.5)
    assert bench.clock.slept
    assert bench.patient.get_trial(trial_id).intermediate_values == {1: 0.5}


def test_trials_of_others_are_never_written_late(bench: Bench) -> None:
    trial_id = bench.flaky.create_new_trial(bench.study_id)
    bench.flaky.n_away = 2
    bench.patient.set_trial_state_values(trial_id, TrialState.FAIL)
    assert bench.flaky.get_trial(trial_id).state == TrialState.FAIL
    assert bench.clock.slept == [1, 2]


def test_a_missed_beat_is_missed(bench: Bench) -> None:
    trial_id = bench.trial()
    bench.flaky.n_away = 1
    with pytest.raises(StorageInternalError):
        bench.patient.set_trial_user_attr(trial_id, BEAT, 1)
    assert not bench.spool.exists()
    assert bench.patience.returned_s < 0
    bench.patient.get_trial(trial_id)
    assert bench.patience.returned_s == bench.clock.now_s


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL])
def test_an_end_that_was_done_without_an_answer_is_done(bench: Bench, state: TrialState) -> None:
    trial_id = bench.trial()
    bench.flaky.n_away, bench.flaky.does_it_all_the_same = 1, True
    values = [0.5] if state == TrialState.COMPLETE else None
    bench.patient.set_trial_state_values(trial_id, state, values)
    assert bench.patient.get_trial(trial_id).state == state
    assert bench.said[-1].endswith(f"delivered 1 results of process {os.getpid()}")


def test_a_trial_that_was_made_without_an_answer_is_not_made_twice(bench: Bench) -> None:
    template = create_trial(
        state=TrialState.RUNNING,
        params={"lr": 0.1},
        distributions={"lr": FloatDistribution(0.0, 1.0)},
        user_attrs={"continues": 3},
    )
    bench.flaky.n_away, bench.flaky.does_it_all_the_same = 1, True
    trial_id = bench.patient.create_new_trial(bench.study_id, template)
    assert [t._trial_id for t in bench.patient.get_all_trials(bench.study_id)] == [trial_id]
    another = bench.patient.create_new_trial(bench.study_id, template)
    assert another != trial_id


def test_results_of_a_trial_that_others_have_closed_are_refused_and_said(bench: Bench) -> None:
    trial_id = bench.trial()
    bench.flaky.n_away = 1
    bench.patient.set_trial_intermediate_value(trial_id, 1, 0.5)
    InMemoryStorage.set_trial_state_values(bench.flaky, trial_id, TrialState.FAIL)
    trial = bench.patient.get_trial(trial_id)
    assert trial.intermediate_values == {}
    assert "1 came too late" in bench.said[-1]
    with pytest.raises(UpdateFinishedTrialError):
        bench.patient.set_trial_intermediate_value(trial_id, 2, 0.5)


def left_behind(folder: Path, storage: Flaky, study_id: int) -> int:
    """Leave a spool as a process does that dies in an outage; return its trial."""
    spool = Spool(folder)
    spool.owner = owner.this_process() | {"started": "long ago"}
    trial_id = InMemoryStorage.create_new_trial(storage, study_id)
    InMemoryStorage.set_trial_user_attr(storage, trial_id, OWNER, spool.owner | {"oom_kills": -1})
    spool.add(Write(REPORT, trial_id, (1, 0.5)))
    spool.add(Write(END, trial_id, ("COMPLETE", [0.5])))
    with spool.path.open("a") as file:
        file.write('["set_trial_')  # it died in mid-line
    return trial_id


def test_what_a_dead_process_left_is_delivered_by_the_next(bench: Bench, tmp_path: Path) -> None:
    trial_id = left_behind(tmp_path, bench.flaky, bench.study_id)
    bench.patient.deliver_left(nullcontext())
    trial = bench.flaky.get_trial(trial_id)
    assert (trial.state, trial.value, trial.intermediate_values) == (
        *(TrialState.COMPLETE, 0.5, {1: 0.5}),
    )
    assert list(tmp_path.glob("unsent-*")) == []


def test_what_was_left_for_another_storage_stays(bench: Bench, tmp_path: Path) -> None:
    trial_id = left_behind(tmp_path, bench.flaky, bench.study_id)
    InMemoryStorage.set_trial_user_attr(bench.flaky, trial_id, OWNER, {"pid": 1})
    bench.patient.deliver_left(nullcontext())
    assert bench.flaky.get_trial(trial_id).intermediate_values == {}
    assert len(list(tmp_path.glob("unsent-*"))) == 1


def test_a_file_of_a_process_that_lives_is_left_to_it(bench: Bench, tmp_path: Path) -> None:
    trial_id = bench.trial()
    bench.flaky.n_away = 1
    bench.patient.set_trial_intermediate_value(trial_id, 1, 0.5)
    other = PatientStorage(bench.flaky, Patience(say=bench.said.append), tmp_path)
    other.deliver_left(nullcontext())
    assert bench.spool.exists()
