"""A search in cohorts: judging, failing, running out of memory, being stopped."""

import math
import threading
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.space.values import Value
from search.trainer import Member
from search.trials.reading import FAILURE, INTERRUPTED
from tests.search.engine.test_crew import ALIKE, Listening
from tests.search.fake_trainer import FakeCohort, FakeTrainer
from tests.search.small_studies import searched, trials_in

EIGHT = [*range(1, 9)]


class Optimist(FakeTrainer):
    """Believes that any number of members fits into memory."""

    def cohort_size(self, params: object, wanted: int | None) -> int:
        return wanted or 8


def _steps(trials: Sequence[FrozenTrial]) -> list[list[int]]:
    return [list(trial.intermediate_values) for trial in trials]


def _n_in_state(trials: Sequence[FrozenTrial], state: TrialState) -> int:
    return sum(trial.state == state for trial in trials)


def test_a_cohort_reports_as_one_is_judged_as_one_and_drops_the_worse_half(tmp_path: Path) -> None:
    heights = [0.3, 0.8, 0.2, 0.7, 0.1, 0.6]
    order: list[Value] = []

    def by_slot(params: object, epoch: int) -> float:
        assert isinstance(params, dict)
        if params["lr"] not in order:
            order.append(params["lr"])
        return heights[order.index(params["lr"])]

    trainer = FakeTrainer(shared_names=ALIKE, curve=by_slot)
    searched(tmp_path, 6, trainer=trainer, pruner="rungs", cohort=6)
    trials = trials_in(tmp_path)
    assert _steps(trials) == [[1], EIGHT] * 3
    assert [trial.state.name for trial in trials] == ["PRUNED", "COMPLETE"] * 3


def test_a_trial_that_takes_a_slot_later_is_judged_by_the_same_rungs(tmp_path: Path) -> None:
    late = 6

    def fall_behind(member: Member, epoch: int) -> str | None:
        return "nan" if (member.key, epoch) == (0, 2) else None

    trainer = FakeTrainer(shared_names=ALIKE, before_epoch=fall_behind)
    trainer.curve = lambda params, epoch: 0.1 if len(trainer.members) > late else 0.5
    searched(tmp_path, late + 1, trainer=trainer, pruner="rungs", cohort=late)
    assert _steps(trials_in(tmp_path))[late] == [1]


def test_a_cohort_that_does_not_fit_is_halved_and_said(tmp_path: Path) -> None:
    trainer, display = Optimist(shared_names=ALIKE, fitting=2), Listening()
    outcome = searched(tmp_path, 12, trainer=trainer, cohort=8, display=display)
    reason = "GiB are needed, 2 are there"
    assert display.lines == [
        f"a cohort of 8 networks does not fit into memory (8 {reason}): 4 train together",
        f"a cohort of 4 networks does not fit into memory (4 {reason}): 2 train together",
    ]
    assert trainer.cohorts == [[], [], [0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert outcome.standing.n_complete == 12


def test_a_smaller_cohort_is_kept_to_for_its_fusion_key_alone(tmp_path: Path) -> None:
    class Deep(Optimist):
        def open(self, members: Sequence[Member]) -> FakeCohort:
            self.fitting = 1000 if members[0].params["depth"] == 1 else 2
            return super().open(members)

    trainer, display = Deep(epochs=1), Listening()
    searched(tmp_path, 40, trainer=trainer, cohort=4, display=display)
    members = {member.key: member for member in trainer.members}
    sizes = {(members[c[0]].params["depth"] == 1, len(c)) for c in trainer.cohorts if c}
    assert sizes == {(True, 4), (False, 2)}
    assert len(display.lines) == 2  # for depth 2 and for depth 3


def test_memory_that_runs_out_later_starts_trials_again_and_reports_no_epoch_twice(
    tmp_path: Path,
) -> None:
    def run_out(member: Member, epoch: int) -> None:
        if epoch == 4 and len(trainer.trained[-1]) > 2:
            raise MemoryError("5 GiB are needed, 4 are there")

    trainer = FakeTrainer(shared_names=ALIKE, before_epoch=run_out)
    outcome = searched(tmp_path, 4, trainer=trainer, cohort=4)
    assert trainer.trained == [[0, 1, 2, 3]] * 4 + [[0, 1]] * 8 + [[2, 3]] * 8
    assert _steps(trials_in(tmp_path)) == [EIGHT] * 4  # Optuna warns of a step reported twice
    assert outcome.standing.n_complete == 4


def test_a_trial_that_starts_again_is_not_judged_again(tmp_path: Path) -> None:
    class Judge:
        def doomed(self, study: object, epochs: Mapping[int, int]) -> set[int]:
            judged.extend(epochs.items())
            return set()

    def run_out(member: Member, epoch: int) -> None:
        if epoch == 4 and len(trainer.trained[-1]) > 2:
            raise MemoryError("full")

    judged: list[tuple[int, int]] = []
    trainer = FakeTrainer(shared_names=ALIKE, before_epoch=run_out)
    searched(tmp_path, 4, trainer=trainer, pruner=Judge(), cohort=4)
    # Once after each epoch but the last, which ends a trial anyway.
    assert sorted(judged) == [(number, epoch) for number in range(4) for epoch in range(1, 8)]


def test_memory_that_runs_out_when_a_slot_is_filled_halves_the_cohort_too(tmp_path: Path) -> None:
    class Leaking(FakeCohort):
        def admit(self, members: Sequence[Member]) -> None:
            if self.members:
                raise MemoryError("full")
            super().admit(members)

    class Leaky(FakeTrainer):
        def open(self, members: Sequence[Member]) -> FakeCohort:
            cohort = Leaking(self)
            self.cohorts.append([])
            cohort.admit(members)
            return cohort

    trainer = Leaky(shared_names=ALIKE)
    trainer.before_epoch = lambda member, epoch: "nan" if (member.key, epoch) == (0, 2) else None
    outcome = searched(tmp_path, 5, trainer=trainer, cohort=4)
    assert trainer.cohorts == [[0, 1, 2, 3], [1, 2], [3, 4]]
    assert (outcome.standing.n_complete, outcome.standing.n_pruned) == (4, 1)


def test_what_did_not_fit_is_let_go_before_half_of_it_is_tried(tmp_path: Path) -> None:
    class Careful(Optimist):
        def open(self, members: Sequence[Member]) -> FakeCohort:
            assert all(cohort() is None for cohort in opened), "the memory is still held"
            cohort = super().open(members)
            opened.append(weakref.ref(cohort))
            return cohort

    def run_out(member: Member, epoch: int) -> None:
        if epoch == 2 and len(trainer.trained[-1]) > 1:
            raise MemoryError("full")

    opened: list[weakref.ref[FakeCohort]] = []
    trainer = Careful(shared_names=ALIKE, before_epoch=run_out)
    searched(tmp_path, 4, trainer=trainer, cohort=4)
    assert len(opened) == 2 + 4


def test_a_single_network_that_does_not_fit_fails_its_trial_alone(tmp_path: Path) -> None:
    def outgrow(member: Member, epoch: int) -> None:
        if member.params["depth"] == 3:
            raise MemoryError(f"{9 + member.key} GiB are needed, 8 are there")

    display = Listening()
    trainer = FakeTrainer(before_epoch=outgrow)
    outcome = searched(tmp_path, 16, trainer=trainer, cohort=2, display=display)
    trials = trials_in(tmp_path)
    for trial in trials:
        is_deep = trial.params["depth"] == 3
        assert trial.state == (TrialState.FAIL if is_deep else TrialState.COMPLETE)
        if is_deep:
            reason = f"{9 + trial.number} GiB are needed, 8 are there"
            assert trial.user_attrs[FAILURE] == f"MemoryError: {reason}"
    assert 0 < outcome.standing.n_failed < 16
    assert display.lines[0].endswith("they train one at a time")
    assert outcome.ended == "total"


def test_only_the_guilty_member_of_a_cohort_fails(tmp_path: Path) -> None:
    def stumble(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (2, 5):
            raise RuntimeError("no such kernel")

    trainer, display = FakeTrainer(shared_names=ALIKE, before_epoch=stumble), Listening()
    searched(tmp_path, 8, trainer=trainer, cohort=4, display=display)
    trials = trials_in(tmp_path)
    assert display.lines == [
        "a cohort of 4 networks failed (RuntimeError: no such kernel): "
        "they are tried one at a time"
    ]
    assert trainer.cohorts == [[0, 1, 2, 3], [0], [1], [2], [3], [4, 5, 6, 7]]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 5
    assert trials[2].user_attrs[FAILURE] == "RuntimeError: no such kernel"
    assert _steps(trials)[2] == [1, 2, 3, 4]


def test_trials_that_have_ended_keep_what_they_reached_when_their_cohort_fails(
    tmp_path: Path,
) -> None:
    def stumble(member: Member, epoch: int) -> str | None:
        if epoch == 4:
            raise RuntimeError("no such kernel")
        return "nan" if (member.key, epoch) == (0, 2) else None

    searched(tmp_path, 3, trainer=FakeTrainer(shared_names=ALIKE, before_epoch=stumble), cohort=3)
    trials = trials_in(tmp_path)
    assert trials[0].state == TrialState.PRUNED
    assert _steps(trials)[0] == [1, 2]


def test_a_broken_set_up_ends_after_three_trials_and_the_others_do_not_count(
    tmp_path: Path,
) -> None:
    def broken(member: Member, epoch: int) -> None:
        raise RuntimeError("no kernel image")

    outcome = searched(tmp_path, 50, trainer=FakeTrainer(before_epoch=broken), cohort=8)
    assert outcome.ended == "failures"
    trials = trials_in(tmp_path)
    assert (outcome.standing.n_failed, outcome.standing.n_running) == (3, 0)
    assert sum(INTERRUPTED in trial.user_attrs for trial in trials) == len(trials) - 3 == 5


def test_a_size_that_cannot_be_found_out_fails_the_leader(tmp_path: Path) -> None:
    class Unmeasured(FakeTrainer):
        def cohort_size(self, params: object, wanted: int | None) -> int:
            raise RuntimeError(f"no clock {len(trials_in(tmp_path))}")

    outcome = searched(tmp_path, 2, trainer=Unmeasured(), cohort=None)
    assert [trial.user_attrs[FAILURE] for trial in trials_in(tmp_path)] == [
        "RuntimeError: no clock 1",
        "RuntimeError: no clock 2",
    ]
    assert outcome.ended == "total"


def test_an_interrupt_gives_up_what_trains_and_what_waits(tmp_path: Path) -> None:
    def run_out(member: Member, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt if len(trainer.cohorts) > 1 else MemoryError("full")

    trainer = FakeTrainer(shared_names=ALIKE, before_epoch=run_out)
    assert searched(tmp_path, 8, trainer=trainer, cohort=4).ended == "Ctrl-C"
    trials = trials_in(tmp_path)
    assert trainer.trained[-1] == [0, 1]  # 2 and 3 wait for their turn
    assert [trial.user_attrs[INTERRUPTED] for trial in trials] == ["Ctrl-C"] * 4
    outcome = searched(tmp_path, 8, trainer=FakeTrainer(), cohort=4)
    assert (outcome.standing.n_complete, outcome.standing.n_ended) == (8, 8)


def test_time_that_is_over_gives_up_what_trains_and_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(member: Member, epoch: int) -> None:
        if len(trainer.cohorts) == 1:
            raise MemoryError("full")

    trainer = FakeTrainer(shared_names=ALIKE, before_epoch=run_out)
    clock = SimpleNamespace(monotonic=lambda: len(trainer.trained))  # an epoch is a second
    monkeypatch.setattr("search.engine.stopping.time", clock)
    outcome = searched(tmp_path, 8, trainer=trainer, cohort=4, timeout_s=6)
    assert trainer.trained == [[0, 1, 2, 3]] + [[0, 1]] * 5
    trials = trials_in(tmp_path)
    assert [trial.user_attrs[INTERRUPTED] for trial in trials] == ["timeout"] * 4
    assert (outcome.ended, outcome.standing.n_ended) == ("timeout", 0)


def test_two_searches_at_once_share_a_total_also_in_cohorts(tmp_path: Path) -> None:
    def meet(member: Member, epoch: int) -> None:
        if epoch == 1 and threading.current_thread() not in met:
            met.add(threading.current_thread())
            barrier.wait(timeout=60)

    barrier, met = threading.Barrier(2), set[threading.Thread]()
    trainers = [FakeTrainer(epochs=2, before_epoch=meet) for _ in range(2)]
    searched(tmp_path, 1, trainer=FakeTrainer(epochs=2))  # makes the study
    threads = [
        threading.Thread(
            target=searched, args=(tmp_path, 20), kwargs={"trainer": trainer, "cohort": 3}
        )
        for trainer in trainers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = trials_in(tmp_path)
    assert _n_in_state(trials, TrialState.COMPLETE) == len(trials) == 20
    keys: list[Collection[int]] = [{m.key for m in trainer.members} for trainer in trainers]
    assert sorted([*keys[0], *keys[1]]) == [*range(1, 20)]
    assert all(len(own) >= 3 for own in keys)


def test_a_member_without_a_value_leaves_the_others_training(tmp_path: Path) -> None:
    trainer = FakeTrainer(shared_names=ALIKE)
    trainer.curve = lambda params, epoch: math.nan if params == trainer.members[1].params else 0.5
    outcome = searched(tmp_path, 3, trainer=trainer, cohort=3)
    assert (outcome.standing.n_complete, outcome.standing.n_pruned) == (2, 1)
