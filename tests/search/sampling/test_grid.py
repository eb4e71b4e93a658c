from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import pytest

from commands.errors import UserError
from search.sampling.distributions import suggest
from search.sampling.grid import GridSampler
from search.trials.reading import point
from tests.search.fake_trainer import GRID, SPACE, FakeTrainer, deep_average_is_infeasible
from tests.search.small_studies import searched, trials_in


def test_the_grid_gives_every_point_once_and_then_stops(tmp_path: Path) -> None:
    outcome = searched(
        tmp_path, 50, space=GRID, trainer=FakeTrainer(epochs=2), sampler="grid", pruner="none"
    )
    drawn = [point(trial.params) for trial in trials_in(tmp_path)]
    assert sorted(drawn) == sorted(point(params) for params in GRID.grid())
    assert len(drawn) == GRID.n_grid_points() == 8
    assert (outcome.ended, outcome.exit_status) == ("grid", 0)
    assert "the grid is exhausted" in outcome.message


def test_known_good_points_come_first_and_once(tmp_path: Path) -> None:
    *_, last = GRID.grid()
    space = replace(GRID, baselines=(last,))
    searched(tmp_path, 50, space=space, trainer=FakeTrainer(epochs=2), sampler="grid")
    drawn = [point(trial.params) for trial in trials_in(tmp_path)]
    assert drawn == [point(last), *(point(p) for p in GRID.grid() if p != last)]


def test_the_grid_leaves_out_what_cannot_be_trained(tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=2, infeasible=deep_average_is_infeasible)
    searched(tmp_path, 50, space=GRID, trainer=trainer, sampler="grid")
    drawn = {point(trial.params) for trial in trials_in(tmp_path)}
    assert drawn == {point(p) for p in GRID.grid() if deep_average_is_infeasible(p) is None}


def test_the_grid_goes_on_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    for total in (3, 5):
        searched(tmp_path, total, space=GRID, trainer=FakeTrainer(epochs=2), sampler="grid")
    drawn = [point(trial.params) for trial in trials_in(tmp_path)]
    assert drawn == [point(params) for params, _ in zip(GRID.grid(), range(5), strict=False)]


def test_points_that_another_sampler_has_drawn_are_not_tried_again(tmp_path: Path) -> None:
    searched(tmp_path, 4, space=GRID, trainer=FakeTrainer(epochs=2), sampler="random")
    n_different = len({point(trial.params) for trial in trials_in(tmp_path)})
    searched(tmp_path, 50, space=GRID, trainer=FakeTrainer(epochs=2), sampler="grid")
    trials = trials_in(tmp_path)
    assert {point(trial.params) for trial in trials} == {point(p) for p in GRID.grid()}
    assert len(trials) == 4 + 8 - n_different


def test_a_point_whose_trial_was_interrupted_comes_again(tmp_path: Path) -> None:
    def interrupt(member: object, epoch: int) -> None:
        raise KeyboardInterrupt

    trainer = FakeTrainer(epochs=2, before_epoch=interrupt)
    searched(tmp_path, 8, space=GRID, trainer=trainer, sampler="grid")
    searched(tmp_path, 8, space=GRID, trainer=FakeTrainer(epochs=2), sampler="grid")
    assert [trial.params["pool"] for trial in trials_in(tmp_path)].count("average") == 1 + 4


def test_the_points_that_have_shared_values_come_in_order_and_end_on_their_own() -> None:
    *_, last = GRID.grid()
    sampler = GridSampler(replace(GRID, baselines=(last,)), lambda params: None)
    shallow = sampler.sharing({"depth": 1})
    study = optuna.create_study(sampler=shallow)
    drawn = []
    while not shallow.is_exhausted(study):
        trial = study.ask()
        drawn.append(GRID.draw(partial(suggest, trial)))
    assert drawn == [params for params in GRID.grid() if params["depth"] == 1]
    assert not sampler.is_exhausted(study)


def test_a_continuous_space_is_refused_with_the_names_of_what_is_continuous() -> None:
    with pytest.raises(UserError, match="lr, l2_2, l2_3 continuous"):
        GridSampler(SPACE, lambda params: None)
