"""Who trains together: read off a whole search, from what the trainer was given to train."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.displays.display import QuietDisplay
from search.engine.claims import Claim, Refusal, claim
from search.space import Choice, Float, Int, Question, Space, Value, When
from search.trainer import Member
from search.trials.reading import point
from tests.search.fake_trainer import GRID, SPACE, FakeTrainer
from tests.search.small_studies import searched, trials_in

ALIKE = frozenset({"batch_size"})
"""Fixed in SPACE, so that all of its trials share a fusion key."""
BASELINE: dict[str, Value] = {
    "depth": 2,
    "lr": 1e-2,
    "drop_rate": 0.0,
    "pool": "max",
    "l2_2": 1e-4,
}


class Listening(QuietDisplay):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, line: str) -> None:
        self.lines.append(line)

    def warned(self, line: str) -> None:
        self.said(line)


def _fail_at(number: int, epoch: int) -> FakeTrainer:
    """Return a trainer of like trials, one of which cannot go on after an epoch."""
    return FakeTrainer(
        shared_names=ALIKE,
        before_epoch=lambda member, at: "nan" if (member.key, at) == (number, epoch) else None,
    )


def test_companions_have_the_leaders_fusion_key_and_differ_in_all_else(tmp_path: Path) -> None:
    trainer = FakeTrainer(shared_names=frozenset({"depth", "pool", "batch_size"}))
    searched(tmp_path, 12, trainer=trainer, cohort=4)
    assert trainer.cohorts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    trials = trials_in(tmp_path)
    for cohort in trainer.cohorts:
        members = [trials[number].params for number in cohort]
        assert len({(params["depth"], params["pool"]) for params in members}) == 1
        assert len({params["lr"] for params in members}) == 4


def test_leaders_are_drawn_freely(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    searched(tmp_path, 16, trainer=trainer, cohort=2)
    trials = trials_in(tmp_path)
    assert {trials[cohort[0]].params["depth"] for cohort in trainer.cohorts} == {1, 2, 3}


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "cmaes"])
def test_every_sampler_draws_companions(sampler: str, tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=1)
    searched(tmp_path, 24, trainer=trainer, sampler=sampler, cohort=4)
    # Beyond the random start of each, too, where values are drawn jointly.
    assert [len(cohort) for cohort in trainer.cohorts] == [4] * 6
    assert len({trial.params["lr"] for trial in trials_in(tmp_path)}) == 24


def test_one_seed_and_cohort_size_give_one_study(tmp_path: Path) -> None:
    studies = []
    for name in ("a", "b"):
        trainer = FakeTrainer()
        searched(tmp_path / name, 20, trainer=trainer, sampler="tpe", pruner="rungs", cohort=4)
        trials = trials_in(tmp_path / name)
        states = [(trial.params, trial.state, trial.intermediate_values) for trial in trials]
        studies.append((states, trainer.trained))
    assert studies[0] == studies[1]


@pytest.mark.parametrize("total", [1, 4, 10])
@pytest.mark.parametrize("pruner", ["none", "rungs"])
def test_a_total_is_exact_where_it_is_no_multiple_of_the_cohort(
    total: int, pruner: str, tmp_path: Path
) -> None:
    outcome = searched(tmp_path, total, pruner=pruner, cohort=4)
    assert len(trials_in(tmp_path)) == outcome.standing.n_ended == total
    assert outcome.ended == "total"


def test_known_good_trials_come_first_and_those_of_another_key_wait_for_their_turn(
    tmp_path: Path,
) -> None:
    shallow = {name: value for name, value in BASELINE.items() if name != "l2_2"} | {"depth": 1}
    space = replace(SPACE, baselines=(BASELINE, shallow, BASELINE | {"lr": 2e-2}))
    trainer = FakeTrainer()
    searched(tmp_path, 8, space=space, trainer=trainer, cohort=3)
    # 1 is of depth 1: it leads the next cohort, and meanwhile nobody else is turned away.
    assert trainer.cohorts == [[0, 2, 3], [1, 4, 5], [6, 7]]
    trials = trials_in(tmp_path)
    assert [trial.params for trial in trials[:3]] == list(space.baselines)
    assert trials[3].params["depth"] == 2
    assert trials[4].params["depth"] == 1


def test_the_next_trial_takes_a_freed_slot_with_an_epoch_count_of_its_own(tmp_path: Path) -> None:
    trainer = _fail_at(1, 3)
    outcome = searched(tmp_path, 4, trainer=trainer, cohort=3)
    assert trainer.trained == [[0, 1, 2]] * 3 + [[0, 2, 3]] * 5 + [[3]] * 3
    trials = trials_in(tmp_path)
    assert [sorted(trial.intermediate_values) for trial in trials] == [
        [*range(1, 9)],
        [1, 2, 3],
        [*range(1, 9)],
        [*range(1, 9)],
    ]
    assert (outcome.standing.n_complete, outcome.standing.n_pruned) == (3, 1)


def test_where_all_trials_are_alike_one_cohort_trains_the_whole_study(tmp_path: Path) -> None:
    trainer = FakeTrainer(shared_names=ALIKE)
    # One by one, so that the cohort is never empty.
    trainer.before_epoch = lambda member, epoch: "nan" if epoch == 1 + member.key % 4 else None
    searched(tmp_path, 30, trainer=trainer, cohort=4)
    assert trainer.cohorts == [[*range(30)]]


def test_a_parameter_with_a_single_value_makes_no_trial_different(tmp_path: Path) -> None:
    rows = tuple(Int("depth", 2, 2) if row.name == "depth" else row for row in SPACE.parameters)
    trainer = FakeTrainer()
    trainer.before_epoch = lambda member, epoch: "nan" if epoch == 1 + member.key % 4 else None
    searched(tmp_path, 30, space=replace(SPACE, parameters=rows), trainer=trainer, cohort=4)
    assert trainer.cohorts == [[*range(30)]]


def test_an_architecture_gets_twice_as_many_trials_as_train_at_once(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    trainer.before_epoch = lambda member, epoch: "nan" if epoch == 1 + member.key % 4 else None
    searched(tmp_path, 28, trainer=trainer, cohort=4)
    assert [len(cohort) for cohort in trainer.cohorts] == [8, 8, 8, 4]


def test_a_coefficient_that_changes_the_fusion_key_makes_its_trial_wait(tmp_path: Path) -> None:
    space = Space(
        title="A switch",
        question=Question("", "", ""),
        parameters=(
            Choice("norm", ("none", *"abc", "batch")),
            Choice("norm_place", ("before", "after"), when=When("norm", among=("batch",))),
            Float("lr", 1e-4, 1e-1, log=True),
        ),
    )
    trainer = FakeTrainer(epochs=1, shared_names=frozenset({"norm_place"}))
    searched(tmp_path, 30, space=space, trainer=trainer, cohort=3)
    assert len(trials_in(tmp_path)) == len(trainer.members) == 30
    assert any("norm_place" in member.params for member in trainer.members)
    # Never does more than a cohort wait, for all that is drawn ahead is drawn blindly.
    for n_seen, member in enumerate(trainer.members):
        assert member.key <= n_seen + 3


@pytest.mark.parametrize("names", [{"pool"}, {"depth"}, {"pool", "drop_rate"}, set()])
def test_the_grid_gives_every_point_once_also_in_cohorts(names: set[str], tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=2, shared_names=frozenset(names))
    outcome = searched(tmp_path, 50, space=GRID, trainer=trainer, sampler="grid", cohort=3)
    drawn = [point(trial.params) for trial in trials_in(tmp_path)]
    assert sorted(drawn) == sorted(point(params) for params in GRID.grid())
    assert len(drawn) == 8
    assert outcome.ended == "grid"


def test_companions_on_the_grid_are_the_next_points_that_agree(tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=2, shared_names=frozenset({"depth"}))
    searched(tmp_path, 50, space=GRID, trainer=trainer, sampler="grid", cohort=3)
    cohorts = _params_of(trainer)
    agreeing = [params for params in GRID.grid() if params["depth"] == 1]
    assert cohorts[0] == agreeing
    assert cohorts[1] == [params for params in GRID.grid() if params["depth"] == 2][:3]


def test_a_crew_that_was_refused_a_trial_does_not_ask_after_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(*args: Any, **options: Any) -> Claim | Refusal:
        answers.append(claim(*args, **options))
        return answers[-1]

    answers: list[Claim | Refusal] = []
    monkeypatch.setattr("search.engine.crew.claim", counted)
    searched(tmp_path, 2, cohort=3)
    assert answers[2:] == ["total", "total"]  # for a third member, and for the next leader


def test_one_at_a_time_the_trainer_is_not_asked_for_a_size(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    searched(tmp_path, 3, trainer=trainer)
    assert trainer.asked == []
    assert trainer.cohorts == [[0], [1], [2]]


def test_the_trainer_chooses_the_size_where_nobody_does_once_for_each_fusion_key(
    tmp_path: Path,
) -> None:
    trainer = FakeTrainer(epochs=1, fastest=3)
    searched(tmp_path, 30, trainer=trainer, cohort=None)
    assert {len(cohort) for cohort in trainer.cohorts} == {3}
    assert trainer.asked == [None] * 3


def test_a_cohort_that_memory_limits_is_said_once(tmp_path: Path) -> None:
    trainer, display = FakeTrainer(epochs=1, fitting=3), Listening()
    searched(tmp_path, 12, trainer=trainer, cohort=8, display=display)
    assert trainer.asked.count(8) > 1
    (line,) = display.lines
    assert "--cohort 8: no more than 2 networks like that of trial 0 fit into memory" in line


def _params_of(trainer: FakeTrainer) -> Sequence[Sequence[Mapping[str, Value]]]:
    members: dict[int, Member] = {member.key: member for member in trainer.members}
    return [[members[key].params for key in cohort] for cohort in trainer.cohorts]
