from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.engine.claims import Claim, claim
from search.hosts.heartbeat import SILENCE_S, Heart, Silence
from search.hosts.owner import this_process
from search.sampling.samplers import make_sampler
from search.trials.reading import BEAT, LOST, OWNER
from tests.search.fake_trainer import GRID, FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in

ELSEWHERE = this_process() | {"host": "elsewhere"}


class Clock:
    """An observer's clock, which moves when told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _run_elsewhere(folder: Path) -> int:
    """Let a process of another host run a trial; return its id."""
    opened = opened_in(folder)
    trial = opened.study.ask()
    trial.set_user_attr(OWNER, ELSEWHERE)
    return trial._trial_id


def test_a_process_elsewhere_is_dead_after_a_silence_by_the_observers_clock(
    tmp_path: Path,
) -> None:
    _run_elsewhere(tmp_path)
    (trial,) = trials_in(tmp_path)
    clock = Clock()
    silence = Silence(clock=clock)
    assert silence.death(trial) is None
    clock.now_s = SILENCE_S - 1
    assert silence.death(trial) is None
    assert silence.is_undecided(trial)
    clock.now_s = SILENCE_S
    assert "elsewhere has been silent for 300 s" in (silence.death(trial) or "")


def test_a_beat_a_report_or_an_attribute_is_a_sign_of_life(tmp_path: Path) -> None:
    trial_id = _run_elsewhere(tmp_path)
    storage = opened_in(tmp_path).place.storage
    clock = Clock()
    silence = Silence(clock=clock)
    silence.death(storage.get_trial(trial_id))
    heart = Heart(storage, lambda: [trial_id])
    for give_sign in (
        heart.beat,
        lambda: storage.set_trial_intermediate_value(trial_id, 1, 0.5),
        lambda: storage.set_trial_user_attr(trial_id, "config", {}),
    ):
        clock.now_s += SILENCE_S - 1
        give_sign()
        assert silence.death(storage.get_trial(trial_id)) is None
    assert not silence.is_undecided(storage.get_trial(trial_id))
    clock.now_s += SILENCE_S
    assert silence.death(storage.get_trial(trial_id))


def test_a_beat_counts_up_and_is_not_stopped_by_a_trial_that_has_ended(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    ended, running = opened.study.ask(), opened.study.ask()
    opened.study.tell(ended, state=TrialState.FAIL)
    heart = Heart(opened.place.storage, lambda: [ended._trial_id, running._trial_id])
    heart.beat()
    heart.beat()
    assert [trial.user_attrs.get(BEAT) for trial in trials_in(tmp_path)] == [None, 2]


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_the_trial_of_a_process_elsewhere_that_stays_silent_is_replaced(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine.stopping._BETWEEN_LOOKS_S", 0)
    trainer = FakeTrainer(epochs=2)
    opened = opened_in(tmp_path, GRID, trainer)
    claimed = claim(opened, make_sampler("grid", GRID, trainer.infeasible, 0), 8, print)
    assert isinstance(claimed, Claim)
    claimed.trial.set_user_attr(OWNER, ELSEWHERE)
    clock = Clock()

    class Passing(Silence):
        def is_undecided(self, trial: FrozenTrial) -> bool:
            clock.now_s += SILENCE_S  # as if somebody waited
            return super().is_undecided(trial)

    outcome = searched(
        tmp_path, 8, space=GRID, trainer=trainer, sampler=sampler, silence=Passing(clock=clock)
    )
    assert outcome.standing.n_complete == 8
    assert LOST in trials_in(tmp_path)[0].user_attrs
