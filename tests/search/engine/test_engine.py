import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from search.displays.display import QuietDisplay, Standing
from search.engine.continuing import MOST_DEATHS
from search.engine.engine import search
from search.sampling.pruners import make_pruner
from search.sampling.samplers import make_sampler
from search.sampling.seeds import member_seed
from search.storages.storage import open_storage
from search.studies.study import open_study
from search.trainer import Member, Record
from search.trials.reading import CONTINUES, FAILURE, INTERRUPTED, LOST
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in


def test_every_epoch_is_reported_and_the_value_is_the_best_of_them(tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=4, curve=lambda params, epoch: [0.2, 0.6, 0.6, 0.4][epoch - 1])
    searched(tmp_path, 1, trainer=trainer)
    (trial,) = trials_in(tmp_path)
    assert trial.intermediate_values == {1: 0.2, 2: 0.6, 3: 0.6, 4: 0.4}
    assert (trial.value, trial.user_attrs["best_epoch"]) == (0.6, 2)


def test_a_trial_keeps_what_makes_it_again(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    searched(tmp_path, 2, trainer=trainer, seed=5)
    for trial, member in zip(trials_in(tmp_path), trainer.members, strict=True):
        assert member.params == {**trial.params, "batch_size": 32}
        assert member.seed == trial.user_attrs["seed"] == member_seed(5, trial.number)
        assert trial.user_attrs["config"] == trainer.config(member)
        assert trial.user_attrs["environment"] == {"commit": "abc", "torch": "0"}
        assert trial.user_attrs["metrics"] == {"train_accuracy": 0.5}


def test_five_and_fifteen_trials_are_twenty_in_parameters_and_values(tmp_path: Path) -> None:
    for total in (5, 20):
        searched(tmp_path / "pieces", total, pruner="rungs")
    searched(tmp_path / "whole", 20, pruner="rungs")
    pieces, whole = (
        [(trial.params, trial.value, trial.state, trial.user_attrs["seed"]) for trial in trials]
        for trials in (trials_in(tmp_path / "pieces"), trials_in(tmp_path / "whole"))
    )
    assert len(pieces) == 20
    assert pieces == whole


def test_another_seed_gives_other_trials(tmp_path: Path) -> None:
    searched(tmp_path / "a", 3, seed=0)
    searched(tmp_path / "b", 3, seed=1, trainer=FakeTrainer(seed=1))
    a, b = trials_in(tmp_path / "a"), trials_in(tmp_path / "b")
    assert all(one.params != other.params for one, other in zip(a, b, strict=True))


def test_training_that_cannot_go_on_is_pruned_and_says_why(tmp_path: Path) -> None:
    def diverge(member: Member, epoch: int) -> str | None:
        return "the loss is nan" if epoch == 3 and member.key == 1 else None

    outcome = searched(tmp_path, 3, trainer=FakeTrainer(before_epoch=diverge))
    trial = trials_in(tmp_path)[1]
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["failure"] == "the loss is nan"
    assert trial.intermediate_values[3] == 0.0  # the worst there is: samplers learn from it
    assert (outcome.standing.n_complete, outcome.standing.n_pruned) == (2, 1)


def test_a_value_that_is_no_number_ends_the_trial(tmp_path: Path) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(curve=lambda params, epoch: math.nan))
    (trial,) = trials_in(tmp_path)
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["failure"] == "the value of epoch 1 is nan"


def test_an_exception_fails_its_trial_and_the_study_goes_on(tmp_path: Path) -> None:
    def stumble(member: Member, epoch: int) -> str | None:
        if member.key == 1 and epoch == 2:
            raise RuntimeError("out of memory\nand more")
        return None

    outcome = searched(tmp_path, 3, trainer=FakeTrainer(before_epoch=stumble))
    trial = trials_in(tmp_path)[1]
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["failure"] == "RuntimeError: out of memory"
    assert "stumble" in trial.user_attrs["traceback"]
    assert (outcome.standing.n_complete, outcome.standing.n_failed) == (2, 1)
    assert outcome.ended == "total"


def test_a_trainer_that_cannot_open_a_cohort_fails_the_trial(tmp_path: Path) -> None:
    class Closed(FakeTrainer):
        def open(self, members: Sequence[Member]) -> object:  # type: ignore[override]  # it never returns
            raise ValueError("no device")

    outcome = searched(tmp_path, 2, trainer=Closed())
    assert outcome.standing.n_failed == 2


def test_the_same_failure_three_times_in_a_row_stops_the_study(tmp_path: Path) -> None:
    def broken(member: Member, epoch: int) -> str | None:
        raise RuntimeError("no kernel image")

    outcome = searched(tmp_path, 50, trainer=FakeTrainer(before_epoch=broken))
    assert (outcome.ended, outcome.exit_status) == ("failures", 1)
    assert "3 trials in a row failed: RuntimeError: no kernel image" in outcome.message
    assert len(trials_in(tmp_path)) == 3


def test_different_failures_do_not_stop_the_study(tmp_path: Path) -> None:
    def unlucky(member: Member, epoch: int) -> str | None:
        if member.key % 3 < 2:
            raise RuntimeError("now and then")
        return None

    outcome = searched(tmp_path, 6, trainer=FakeTrainer(before_epoch=unlucky))
    assert (outcome.standing.n_failed, outcome.standing.n_complete) == (4, 2)


def test_an_interrupted_trial_is_closed_and_does_not_count(tmp_path: Path) -> None:
    def interrupt(member: Member, epoch: int) -> str | None:
        if member.key == 1 and epoch == 3:
            raise KeyboardInterrupt
        return None

    outcome = searched(tmp_path, 3, trainer=FakeTrainer(before_epoch=interrupt))
    assert (outcome.ended, outcome.exit_status) == ("Ctrl-C", 130)
    assert "1 trial unfinished" in outcome.message
    interrupted = trials_in(tmp_path)[1]
    assert interrupted.state == TrialState.FAIL
    assert interrupted.user_attrs[INTERRUPTED] == "Ctrl-C"
    assert not opened_in(tmp_path).place.lock.is_locked
    outcome = searched(tmp_path, 3)
    assert outcome.standing.n_complete == 3
    assert len(trials_in(tmp_path)) == 4


def test_a_study_stops_at_the_end_of_the_epoch_in_which_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0

    def take_a_second(member: Member, epoch: int) -> None:
        nonlocal now_s
        now_s += 1

    monkeypatch.setattr("search.engine.stopping.time", SimpleNamespace(monotonic=lambda: now_s))
    trainer = FakeTrainer(before_epoch=take_a_second)
    outcome = searched(tmp_path, 50, trainer=trainer, timeout_s=20)
    trials = trials_in(tmp_path)
    assert [len(trial.intermediate_values) for trial in trials] == [8, 8, 4]
    assert trials[2].user_attrs[INTERRUPTED] == "timeout"
    assert (outcome.ended, outcome.standing.n_ended) == ("timeout", 2)


def test_a_study_in_a_database_is_searched_and_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sampler = make_sampler("tpe", SPACE, lambda params: None, 0)
    for total in (3, 5):
        place = open_storage("sqlite:///studies.db")
        opened = open_study(place, "small", SPACE, FakeTrainer())
        outcome = search(
            opened,
            FakeTrainer(),
            total=total,
            sampler=sampler,
            pruner=make_pruner("rungs", 8),
            seed=0,
            display=QuietDisplay(),
        )
        assert isinstance(place.storage, RDBStorage)
        place.storage.engine.dispose()
        assert outcome.standing.n_ended == total


class FullDisk(QuietDisplay):
    """Fails as a storage does that has no room; also for whatever is told of the end."""

    def trained(self, record: Record) -> None:
        raise OSError(28, "No space left on device")

    def ended(self, number: int, how: str, standing: Standing) -> None:
        raise OSError(28, "No space left on device")


def test_errors_of_the_storage_are_not_taken_for_failed_training(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        searched(tmp_path, 2, display=FullDisk(), cohort=2)
    trials = trials_in(tmp_path)
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 2
    assert [trial.user_attrs[LOST] for trial in trials] == ["its search ended with OSError"] * 2
    assert not any(FAILURE in trial.user_attrs for trial in trials)


def test_a_trainer_that_ends_the_process_loses_its_trials_and_fails_none(tmp_path: Path) -> None:
    def end(member: Member, epoch: int) -> None:
        if epoch == 2:
            raise SystemExit("the GPU has failed")

    with pytest.raises(SystemExit, match="the GPU has failed"):
        searched(tmp_path, 4, trainer=FakeTrainer(before_epoch=end), cohort=2)
    trials = trials_in(tmp_path)
    assert [trial.user_attrs[LOST] for trial in trials] == ["its search ended with SystemExit"] * 2
    outcome = searched(tmp_path, 4, cohort=2)
    assert (outcome.standing.n_complete, outcome.standing.n_failed) == (4, 0)


def test_a_search_that_failed_leaves_nothing_running_for_the_next_in_the_same_process(
    tmp_path: Path,
) -> None:
    with pytest.raises(OSError, match="No space left"):
        searched(tmp_path, 2, display=FullDisk(), cohort=2)
    outcome = searched(tmp_path, 2, cohort=2)
    assert (outcome.ended, outcome.standing.n_complete, outcome.standing.n_running) == (
        *("total", 2, 0),
    )
    assert [trial.user_attrs.get(CONTINUES) for trial in trials_in(tmp_path)] == [None, None, 0, 1]


def test_a_trial_over_which_search_after_search_fails_is_gone_on_with_no_more(
    tmp_path: Path,
) -> None:
    for _ in range(MOST_DEATHS):
        with pytest.raises(OSError, match="No space left"):
            searched(tmp_path, 1, display=FullDisk())
    assert searched(tmp_path, 1).standing.n_failed == 1
    assert FAILURE in trials_in(tmp_path)[-1].user_attrs


def test_the_display_is_closed_whatever_happens(tmp_path: Path) -> None:
    calls = []

    class Closing(QuietDisplay):
        def closed(self) -> None:
            calls.append("closed")

    def interrupt(member: Member, epoch: int) -> None:
        raise KeyboardInterrupt

    searched(tmp_path, 1, display=Closing())
    searched(tmp_path, 2, trainer=FakeTrainer(before_epoch=interrupt), display=Closing())
    assert calls == ["closed", "closed"]


def test_the_best_trial_is_the_one_of_the_highest_value(tmp_path: Path) -> None:
    outcome = searched(tmp_path, 10)
    assert outcome.best is not None
    assert outcome.best.value == max(trial.value or 0 for trial in trials_in(tmp_path))
