from pathlib import Path

import pytest

from commands.errors import UserError
from search.sampling.samplers import SAMPLERS, make_sampler
from tests.search.fake_trainer import SPACE, FakeTrainer, deep_average_is_infeasible
from tests.search.small_studies import searched, trials_in

QUICK = ["random", "tpe", "qmc", "cmaes"]
ALL = [*QUICK, pytest.param("gp", marks=pytest.mark.slow)]


@pytest.mark.parametrize("sampler", ALL)
def test_no_sampler_makes_an_infeasible_trial(sampler: str, tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=1, infeasible=deep_average_is_infeasible)
    # Beyond the random start of each: 10 trials, 5 for CMA-ES.
    searched(tmp_path, 16, trainer=trainer, sampler=sampler)
    trials = trials_in(tmp_path)
    assert len(trials) == 16
    for trial in trials:
        assert deep_average_is_infeasible(trial.params) is None
        assert set(trial.params) == {row.name for row in SPACE.active(trial.params)}
        assert all(row.contains(trial.params[row.name]) for row in SPACE.active(trial.params))


@pytest.mark.parametrize("sampler", QUICK)
def test_a_study_in_two_runs_draws_what_it_draws_in_one(sampler: str, tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=1)
    searched(tmp_path / "pieces", 5, trainer=trainer, sampler=sampler)
    searched(tmp_path / "pieces", 15, trainer=trainer, sampler=sampler)
    searched(tmp_path / "whole", 15, trainer=trainer, sampler=sampler)
    pieces, whole = trials_in(tmp_path / "pieces"), trials_in(tmp_path / "whole")
    assert [trial.params for trial in pieces] == [trial.params for trial in whole]


@pytest.mark.parametrize("sampler", QUICK)
def test_a_sampler_draws_different_trials(sampler: str, tmp_path: Path) -> None:
    searched(tmp_path, 12, trainer=FakeTrainer(epochs=1), sampler=sampler)
    assert len({trial.params["lr"] for trial in trials_in(tmp_path)}) == 12


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_sampler_that_learns_does_better_than_chance(sampler: str, tmp_path: Path) -> None:
    # Means of the last ten of thirty trials, on a smooth curve with one summit.
    means = {}
    for name in (sampler, "random"):
        searched(tmp_path / name, 30, trainer=FakeTrainer(epochs=1), sampler=name, seed=1)
        late = [trial.value or 0.0 for trial in trials_in(tmp_path / name)[20:]]
        means[name] = sum(late) / len(late)
    assert means[sampler] > means["random"]


def test_quasi_random_trials_fill_a_parameter_evenly(tmp_path: Path) -> None:
    # A Sobol sequence puts exactly one of its first 16 points into each sixteenth of an axis.
    searched(tmp_path, 16, trainer=FakeTrainer(epochs=1), sampler="qmc")
    depths = [trial.params["depth"] for trial in trials_in(tmp_path)]
    assert all(5 <= depths.count(depth) <= 6 for depth in (1, 2, 3))


def test_an_unknown_sampler_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"--sampler cma.*tpe, random, grid, qmc, cmaes, gp"):
        make_sampler("cma", SPACE, lambda params: None, seed=0)
    assert SAMPLERS[0] == "tpe"
