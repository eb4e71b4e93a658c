import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from psycopg import errors
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from commands.errors import exit_status
from search.hosts import owner
from search.storages.patience import Once, Patience, StorageLostError, is_outage, reason
from search.storages.patient_storage import PatientStorage
from search.storages.spool import END, REPORT, Spool, Write
from search.trials.reading import BEAT, OWNER


def outage() -> StorageInternalError:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = OperationalError(
        "SELECT 1", {}, Exception("the server has gone\nHINT: wait")
    )
    return error


class Flaky(InMemoryStorage):
    """Is away when told so; may do what it is asked and yet not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.n_away = 0
        """Requests that it will not answer."""
        self.does_it_all_the_same = False
        self.asked: list[str] = []


def _flaky(name: str) -> Any:
    def ask(self: Flaky, *arguments: Any, **named: Any) -> Any:
        self.asked.append(name)
        if self.n_away:
            self.n_away -= 1
            if self.does_it_all_the_same:
                getattr(InMemoryStorage, name)(self, *arguments, **named)
            raise outage()
        return getattr(InMemoryStorage, name)(self, *arguments, **named)

    return ask


for _name in (
    *("create_new_trial", "get_all_studies", "get_trial", "set_trial_intermediate_value"),
    *("set_trial_state_values", "set_trial_user_attr", "set_study_user_attr"),
):
    setattr(Flaky, _name, _flaky(_name))


class Clock:
    """Time passes while somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        self.during()


class Bench:
    """A patient storage on a flaky one, with a study."""

    def __init__(self, folder: Path, limit_s: float = 600) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.flaky = Flaky()
        self.patience = Patience(
            limit_s, say=self.said.append, clock=self.clock, sleep=self.clock.sleep
        )
        self.patient = PatientStorage(self.flaky, self.patience, folder)
        self.study_id = self.patient.create_new_study([StudyDirection.MAXIMIZE], "s")
        self.spool = self.patient._spool.path

    def trial(self) -> int:
        trial_id = self.patient.create_new_trial(self.study_id)
        self.patient.set_trial_user_attr(trial_id, OWNER, owner.this_process())
        return trial_id


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_needs_an_answer_is_asked_again_with_growing_pauses(bench: Bench) -> None:
    bench.flaky.n_away = 7
    assert [study.study_name for study in bench.patient.get_all_studies()] == ["s"]
    assert bench.clock.slept == [1, 2, 4, 8, 16, 30, 30]


def test_an_outage_is_said_once_and_so_is_its_end(bench: Bench) -> None:
    for _ in range(2):
        bench.flaky.n_away = 3
        bench.patient.get_all_studies()
        away, back = bench.said
        assert "cannot be reached (the server has gone): waiting for it, up to 600 s" in away
        assert "is back after 7 s" in back
        bench.said.clear()


def test_who_waits_gives_a_sign_of_life_before_each_pause(bench: Bench) -> None:
    told = list[tuple[bool, str]]()
    bench.patience.tell = lambda is_away, line: told.append((is_away, line))
    n_told = list[int]()
    bench.clock.during = lambda: n_told.append(len(told))
    bench.flaky.n_away = 5
    bench.patient.get_all_studies()
    assert len(n_told) == 5
    assert len({0, *n_told}) == 6  # something new each time
    assert told[-1][0] is False
    assert {line for is_away, line in told if is_away} == {told[0][1]}


def test_patience_ends_with_one_message_that_says_how_to_go_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limit_s=10)
    bench.flaky.n_away = 1000
    with pytest.raises(StorageLostError, match=r"the server has gone.*the same command goes on"):
        bench.patient.get_all_studies()
    assert sum(bench.clock.slept) == 10


def test_after_an_interrupted_wait_nothing_waits_again(bench: Bench) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    bench.flaky.n_away = 1000
    bench.clock.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.patient.get_all_studies()
    with pytest.raises(StorageLostError):
        bench.patient.get_all_studies()
    assert len(bench.clock.slept) == 1


def test_after_patience_was_lost_nothing_waits_until_the_storage_answers_again(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, limit_s=10)
    bench.flaky.n_away = 1000
    for _ in range(2):
        with pytest.raises(StorageLostError):
            bench.patient.get_all_studies()
    assert sum(bench.clock.slept) == 10
    bench.flaky.n_away = 0
    bench.patient.get_all_studies()
    bench.flaky.n_away = 2
    bench.patient.get_all_studies()
    assert sum(bench.clock.slept) == 13


def test_a_storage_that_was_lost_is_nobodys_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    def lost() -> int:
        raise StorageLostError("the storage cannot be reached")

    assert exit_status(lost) == 1
    assert capsys.readouterr().err == "error: the storage cannot be reached\n"


def test_what_several_find_out_is_said_once_for_each_outage() -> None:
    said: list[str] = []
    tell = Once(said.append)
    for n in range(2):
        for line in ("away", "away for another"):
            tell(True, f"{line} {n}")
        for line in ("back", "back for another"):
            tell(False, f"{line} {n}")
    assert said == ["away 0", "back 0", "away 1", "back 1"]


def test_errors_of_what_was_asked_are_no_outages(bench: Bench) -> None:
    with pytest.raises(KeyError):
        bench.patient.get_trial(99)
    wrong = StorageInternalError("x")
    wrong.__cause__ = DataError("INSERT", {}, Exception("value too long"))
    assert not is_outage(wrong)
    assert not is_outage(ValueError("x"))
    assert bench.clock.slept == []


@pytest.mark.parametrize("name", ["DiskFull", "AdminShutdown", "CannotConnectNow"])
def test_a_full_disk_or_a_restart_of_a_server_is_an_outage(name: str) -> None:
    error = StorageInternalError("x")
    error.__cause__ = DBAPIError.instance("INSERT", {}, getattr(errors, name)("x"), errors.Error)
    assert is_outage(error)


def test_the_reason_is_the_drivers_first_line() -> None:
    assert reason(outage()) == "the server has gone"
    assert reason(TimeoutError()) == "TimeoutError"


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
