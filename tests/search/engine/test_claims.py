import multiprocessing
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.engine.claims import Claim, claim, close_lost, enqueue_baselines, give_up, n_counted
from search.hosts.owner import this_process
from search.sampling.samplers import make_sampler
from search.space.values import Value
from search.studies.study import OpenStudy
from search.trainer import Member
from search.trials.reading import INTERRUPTED, LOST, OWNER, tally
from tests.search.fake_trainer import SPACE, FakeTrainer, deep_average_is_infeasible
from tests.search.small_studies import opened_in, searched, trials_in

BASELINE: dict[str, Value] = {
    "depth": 2,
    "lr": 1e-2,
    "drop_rate": 0.0,
    "pool": "max",
    "l2_2": 1e-4,
}
WITH_BASELINE = replace(SPACE, baselines=(BASELINE,))


def _claim(opened: OpenStudy, total: int = 50) -> Claim:
    sampler = make_sampler("random", opened.space, lambda params: None, seed=0)
    claimed = claim(opened, sampler, total, lambda line: None)
    assert isinstance(claimed, Claim)
    return claimed


def _search_with_others(folder: str, total: int, barrier: threading.Barrier) -> None:
    def meet_the_others(member: Member, epoch: int) -> None:
        if epoch == 1 and not met:
            met.append(barrier.wait(timeout=60))

    met: list[int] = []
    trainer = FakeTrainer(epochs=2, before_epoch=meet_the_others)
    searched(Path(folder), total, trainer=trainer)


@pytest.mark.parametrize("first", [1, 4])
def test_a_total_is_reached_over_several_runs(first: int, tmp_path: Path) -> None:
    searched(tmp_path, first)
    outcome = searched(tmp_path, 6)
    assert outcome.ended == "total"
    assert len(trials_in(tmp_path)) == 6


def test_a_study_that_has_its_total_gets_no_trial_more(tmp_path: Path) -> None:
    searched(tmp_path, 4)
    for total in (4, 2):
        outcome = searched(tmp_path, total)
        assert "has 4 trials already" in outcome.message
    assert len(trials_in(tmp_path)) == 4


@pytest.mark.slow
def test_processes_at_once_share_one_total(tmp_path: Path) -> None:
    opened_in(tmp_path, trainer=FakeTrainer(epochs=2))
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)  # each has its first trial before any ends one
    workers = [
        spawn.Process(target=_search_with_others, args=(str(tmp_path), 20, barrier))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
        worker.close()
    trials = trials_in(tmp_path)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 20
    assert len({trial.user_attrs[OWNER]["pid"] for trial in trials}) == 3
    # The draw depends on the number alone, so the three draw what one would.
    searched(tmp_path / "alone", 20, trainer=FakeTrainer(epochs=2))
    assert [t.params for t in trials] == [t.params for t in trials_in(tmp_path / "alone")]


def test_a_claimed_trial_names_its_process(tmp_path: Path) -> None:
    claimed = _claim(opened_in(tmp_path))
    assert claimed.trial.user_attrs[OWNER] == this_process()
    assert set(claimed.params) == set(claimed.trial.params)


def test_trials_that_others_are_running_count(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    for _ in range(3):
        _claim(opened)
    sampler = make_sampler("random", SPACE, lambda params: None, seed=0)
    assert claim(opened, sampler, 3, lambda line: None) == "total"


def test_trials_of_a_dead_process_are_closed_and_replaced(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    _claim(opened).trial.set_user_attr(OWNER, this_process() | {"started": "before"})
    opened.study.ask()  # its process died before it could say who it was
    outcome = searched(tmp_path, 3)
    trials = trials_in(tmp_path)
    assert [LOST in trial.user_attrs for trial in trials] == [True, True, False, False, False]
    assert [trial.state for trial in trials[:2]] == [TrialState.FAIL] * 2
    assert outcome.standing.n_complete == 3


def test_closing_lost_trials_is_said_in_one_line(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    opened.study.ask()
    opened.study.ask()
    said: list[str] = []
    close_lost(opened, said.append)
    close_lost(opened, said.append)
    assert len(said) == 1
    assert "trial 0, 1" in said[0]


def test_a_process_with_many_trials_is_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = opened_in(tmp_path)
    for _ in range(4):
        _claim(opened)
    looked_for: list[object] = []
    monkeypatch.setattr("search.hosts.owner.death", looked_for.append)
    close_lost(opened, lambda line: None)
    assert looked_for == [this_process()]


def test_only_failures_of_its_own_making_count(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    opened.study.tell(_claim(opened).trial, state=TrialState.FAIL)
    give_up(opened, _claim(opened).trial, "Ctrl-C")
    assert n_counted(opened) == 1
    assert opened.study.trials[1].user_attrs[INTERRUPTED] == "Ctrl-C"
    assert tally(opened.study.trials).n_failed == 1


def test_a_draw_that_fails_leaves_no_trial_in_the_total(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)

    def interrupt(params: object) -> str | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        claim(opened, make_sampler("random", SPACE, interrupt, 0), 5, lambda line: None)
    assert n_counted(opened) == 0
    assert not opened.place.lock.is_locked


def test_the_baseline_comes_first_and_counts_once(tmp_path: Path) -> None:
    for total in (2, 4):
        searched(tmp_path, total, space=WITH_BASELINE)
    trials = trials_in(tmp_path)
    assert len(trials) == 4
    assert trials[0].params == BASELINE
    assert all(trial.params != BASELINE for trial in trials[1:])


def test_a_baseline_that_was_interrupted_comes_again(tmp_path: Path) -> None:
    opened = opened_in(tmp_path, WITH_BASELINE)
    for _ in range(2):
        enqueue_baselines(opened, lambda params: None, lambda line: None)
    assert len(opened.study.trials) == 1
    give_up(opened, _claim(opened).trial, "Ctrl-C")
    enqueue_baselines(opened, lambda params: None, lambda line: None)
    assert _claim(opened).params == BASELINE


def test_a_baseline_that_cannot_be_trained_here_is_left_out_and_said(tmp_path: Path) -> None:
    deep = replace(SPACE, baselines=(BASELINE | {"pool": "average"},))
    said: list[str] = []
    opened = opened_in(tmp_path, deep)
    enqueue_baselines(opened, deep_average_is_infeasible, said.append)
    assert opened.study.trials == []
    assert "baseline 1" in said[0]
    assert "below one pixel" in said[0]
