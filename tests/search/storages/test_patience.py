"""Waiting for a storage that is away: how long, how often, and what is said."""

from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from psycopg import errors
from sqlalchemy.exc import DataError, DBAPIError

from commands.errors import exit_status
from search.storages.patience import Once, StorageLostError, is_outage, reason
from tests.search.storages.flaky import Bench, outage


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
