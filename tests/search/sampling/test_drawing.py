from collections.abc import Mapping

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from commands.errors import UserError
from search.sampling.distributions import suggest
from search.sampling.drawing import FeasibleSampler, Recipe
from search.sampling.samplers import make_sampler
from search.space import Choice, Float, Int, Question, Space, When
from search.space.values import Value
from tests.search.fake_trainer import SPACE, deep_average_is_infeasible

TREE = Space(
    title="A tree",
    question=Question("", "", ""),
    parameters=(
        Int("depth", 1, 2),
        Choice("pool", options=("average", "max"), when=When("depth", at_least=2)),
        Float("single", 0.5, 0.5),
    ),
)


def _drawn(study: optuna.Study, space: Space) -> Mapping[str, Value]:
    trial = study.ask()
    return space.draw(lambda row: suggest(trial, row))


def _study(space: Space, infeasible: object = None, name: str = "random") -> optuna.Study:
    judge = infeasible if callable(infeasible) else lambda params: None
    return optuna.create_study(sampler=make_sampler(name, space, judge, seed=0))


def test_only_the_parameters_of_existing_blocks_are_drawn() -> None:
    study = _study(SPACE)
    for _ in range(40):
        params = _drawn(study, SPACE)
        expected = {row.name for row in SPACE.active(params)}
        assert set(params) == expected
    assert {len(trial.params) for trial in study.trials} == {4, 5, 6}


def test_a_range_of_one_point_is_drawn_as_that_point() -> None:
    assert _drawn(_study(TREE), TREE)["single"] == 0.5


def test_fixed_values_of_the_space_are_judged_with_the_drawn_ones() -> None:
    seen: list[Mapping[str, Value]] = []
    study = _study(SPACE, lambda params: seen.append(dict(params)))
    params = _drawn(study, SPACE)
    assert seen == [{**params, "batch_size": 32}]


def test_what_was_enqueued_decides_which_children_exist_and_what_is_feasible() -> None:
    study = _study(TREE, lambda params: "average" if params.get("pool") == "average" else None)
    for _ in range(10):
        study.enqueue_trial({"depth": 2})
        params = _drawn(study, TREE)
        assert params == {"depth": 2, "pool": "max", "single": 0.5}


def test_shared_values_are_kept_and_decide_which_parameters_exist() -> None:
    sampler = make_sampler("random", SPACE, lambda params: None, seed=0)
    study = optuna.create_study(sampler=sampler.sharing({"depth": 2, "pool": "max"}))
    drawn = [_drawn(study, SPACE) for _ in range(5)]
    assert all((params["depth"], params["pool"]) == (2, "max") for params in drawn)
    assert all("l2_2" in params and "l2_3" not in params for params in drawn)
    assert len({params["lr"] for params in drawn}) == 5


def test_what_was_enqueued_goes_before_shared_values() -> None:
    judged: list[Mapping[str, Value]] = []
    sampler = make_sampler("random", SPACE, lambda params: judged.append(params), seed=0)
    study = optuna.create_study(sampler=sampler.sharing({"depth": 2, "pool": "max"}))
    study.enqueue_trial({"depth": 3})
    params = _drawn(study, SPACE)
    assert (params["depth"], params["pool"]) == (3, "max")
    assert judged == [{**params, "batch_size": 32}]


def test_sharing_values_leaves_the_sampler_itself_as_it_is() -> None:
    sampler = make_sampler("random", SPACE, lambda params: None, seed=0)
    sampler.sharing({"depth": 2})
    study = optuna.create_study(sampler=sampler)
    assert {_drawn(study, SPACE)["depth"] for _ in range(20)} == {1, 2, 3}


@pytest.mark.parametrize("draws_known", [False, True])
def test_what_is_known_is_not_drawn_unless_the_base_sampler_needs_all(draws_known: bool) -> None:
    class Recorder(RandomSampler):
        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
        ) -> dict[str, object]:
            asked.append(set(search_space))
            return {}

    asked: list[set[str]] = []
    recipe = Recipe(Recorder, n_draws=1, joint=("depth", "lr"), draws_known=draws_known)
    sampler = FeasibleSampler(recipe, SPACE, lambda params: None, seed=0)
    _drawn(optuna.create_study(sampler=sampler.sharing({"depth": 2})), SPACE)
    assert asked == [{"depth", "lr"} if draws_known else {"lr"}]


def test_a_rare_feasible_combination_is_found() -> None:
    def infeasible(params: Mapping[str, Value]) -> str | None:
        return None if params["depth"] == 3 and float(params["lr"]) > 0.08 else "too small"

    params = _drawn(_study(SPACE, infeasible), SPACE)
    assert infeasible(params) is None


def test_a_sampler_that_never_proposes_a_feasible_point_gives_way_to_uniform_draws() -> None:
    n_draws = 100  # of TPE, before it gives way

    def infeasible(params: Mapping[str, Value]) -> str | None:
        nonlocal n_draws
        n_draws -= 1
        return "not yet" if n_draws >= 0 else None

    study = _study(SPACE, infeasible, "tpe")
    assert set(_drawn(study, SPACE)) >= {"depth", "lr"}
    assert n_draws == -1


def test_a_space_without_a_feasible_point_is_an_error_that_says_why() -> None:
    study = _study(SPACE, lambda params: "the image shrinks below one pixel")
    with pytest.raises(UserError, match=r"A small space.*shrinks below one pixel"):
        _drawn(study, SPACE)


def test_drawing_depends_on_the_number_of_the_trial_and_not_on_what_was_drawn_before() -> None:
    first, second = _study(SPACE), _study(SPACE)
    for _ in range(3):
        _drawn(first, SPACE)
        second.ask()  # counts, but draws nothing
    assert _drawn(first, SPACE) == _drawn(second, SPACE)


def test_infeasible_combinations_are_never_suggested() -> None:
    study = _study(SPACE, deep_average_is_infeasible)
    drawn = [_drawn(study, SPACE) for _ in range(40)]
    assert {params["pool"] for params in drawn} == {"average", "max"}
    assert not any(deep_average_is_infeasible(params) for params in drawn)
