import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.engine.interrupts import SIGNALS
from search.engine.stopping import GRACE_S, Stop, request
from search.hosts.owner import this_process
from search.stop import main
from search.trainer import Member
from search.trials.outcome import Outcome, stopped
from search.trials.reading import INTERRUPTED, OWNER
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in


def _signalled(folder: Path, *signals: signal.Signals, total: int = 3) -> Outcome:
    """Search, and send these signals within the third epoch of trial 1."""

    def send(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (1, 3):
            for number in signals:
                signal.raise_signal(number)

    trainer = FakeTrainer(before_epoch=send)
    return searched(folder, total, trainer=trainer, artifacts=folder / "a")


@pytest.mark.parametrize(
    ("number", "reason", "status"),
    [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)],
)
def test_the_first_signal_ends_the_search_with_the_epoch(
    number: signal.Signals, reason: str, status: int, tmp_path: Path
) -> None:
    outcome = _signalled(tmp_path, number)
    trial = trials_in(tmp_path)[1]
    assert (outcome.ended, outcome.exit_status) == (reason, status)
    assert list(trial.intermediate_values) == [1, 2, 3]
    assert trial.user_attrs[INTERRUPTED] == reason
    trainer = FakeTrainer()
    searched(tmp_path, 2, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 8 - 3


def test_the_second_signal_ends_the_search_within_the_epoch(tmp_path: Path) -> None:
    outcome = _signalled(tmp_path, signal.SIGINT, signal.SIGINT)
    assert outcome.ended == "Ctrl-C"
    assert list(trials_in(tmp_path)[1].intermediate_values) == [1, 2]
    assert searched(tmp_path, 3, artifacts=tmp_path / "a").standing.n_complete == 3


def test_sigterm_that_comes_again_does_not_break_in(tmp_path: Path) -> None:
    outcome = _signalled(tmp_path, signal.SIGTERM, signal.SIGTERM)
    assert outcome.ended == "SIGTERM"
    assert list(trials_in(tmp_path)[1].intermediate_values) == [1, 2, 3]


def test_listeners_and_timers_from_before_are_back_afterwards(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    _signalled(tmp_path, signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_an_epoch_that_takes_longer_than_there_is_time_for_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GRACE_S, "timeout", 0.05)

    def take_long(member: Member, epoch: int) -> None:
        if epoch == 3:
            signal.pause()  # until the alarm

    trainer = FakeTrainer(before_epoch=take_long)
    outcome = searched(tmp_path, 3, trainer=trainer, timeout_s=0.2, artifacts=tmp_path / "a")
    assert outcome.ended == "timeout"
    assert list(trials_in(tmp_path)[0].intermediate_values) == [1, 2]


def test_time_is_over_before_an_epoch_that_would_end_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now: Iterator[float] = iter([0.0, 0.0, 40.0, 80.0])
    study = opened_in(tmp_path).study
    monkeypatch.setattr(
        "search.engine.stopping.time", SimpleNamespace(monotonic=lambda: next(now))
    )
    stop = Stop(study, timeout_s=100, request=None)
    stop.began()
    assert [stop.is_asked(), stop.is_asked()] == [False, True]  # at 80 s: the next ends at 120
    assert stop.reason == "timeout"


def test_a_request_is_heard_by_those_who_search_now_and_by_none_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine.stopping._BETWEEN_LOOKS_S", -1)

    def ask(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (1, 2):
            assert main(["small", "--storage", str(tmp_path / "journal.log")]) == 0

    outcome = searched(tmp_path, 3, trainer=FakeTrainer(before_epoch=ask))
    assert (outcome.ended, outcome.exit_status) == ("search.stop", 0)
    assert "1 trial" in capsys.readouterr().out
    assert request(opened_in(tmp_path).study)
    assert searched(tmp_path, 3).ended == "total"


def test_a_study_that_nobody_searches_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 1)
    main(["small", "--storage", str(tmp_path / "journal.log")])
    assert "nothing is running" in capsys.readouterr().out


def test_dead_processes_are_asked_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 1)
    study = opened_in(tmp_path).study
    for own in ({**this_process(), "started": "before"}, this_process(), None):
        running = study.ask()
        if own:
            running.set_user_attr(OWNER, own)
    main(["small", "--storage", str(tmp_path / "journal.log")])
    (asked, left) = capsys.readouterr().out.splitlines()
    assert asked.startswith(f"asked process {os.getpid()} on ")
    assert asked.endswith(": 1 trial, to the end of the epoch under way")
    assert left == "2 trials of processes that have died: the next search goes on with them"


def test_the_outcome_says_how_to_go_on() -> None:
    assert stopped("small", "timeout", 2) == (
        "study small: time is over, 2 trials unfinished; the same command goes on with it"
    )
    assert stopped("small", "Ctrl-C", 1).startswith("study small: stopped by Ctrl-C, 1 trial unf")
