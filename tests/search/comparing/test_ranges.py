"""Boundaries hit and interactions: planted ones, and near misses."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, create_trial

from search.comparing.ranges import boundaries, chance, interactions
from search.sampling.distributions import distribution
from search.space import Choice, Float, Int, Question, Space
from search.space.parameters import Parameter
from search.space.values import Value


def _space(*rows: Parameter) -> dict[str, object]:
    return Space(title="", question=Question("", "", ""), parameters=rows).to_json()


def _trials(params: Sequence[Mapping[str, Value]], values: Sequence[float]) -> list[FrozenTrial]:
    distribution: BaseDistribution = FloatDistribution(-10, 10)
    return [
        create_trial(
            value=value,
            params={name: number for name, number in one.items() if not isinstance(number, str)},
            distributions={
                name: distribution for name, number in one.items() if not isinstance(number, str)
            },
        )
        for one, value in zip(params, values, strict=True)
    ]


def _with(name: str, best: Sequence[Value]) -> list[FrozenTrial]:
    """Return five best trials with these values, and one that is worse."""
    values = [0.9, 0.89, 0.88, 0.87, 0.86, 0.1]
    params = [{name: value, "other": float(k)} for k, value in enumerate([*best, best[-1]])]
    return _trials(params, values)


LR = Float("lr", 1e-4, 1.0, log=True)  # the outer tenth begins at 10 ** -0.4 = 0.398


def test_the_best_five_at_the_upper_end_call_for_a_wider_range() -> None:
    [found] = boundaries(_with("lr", [0.5, 0.9, 0.45, 1.0, 0.4]), _space(LR))
    assert (found.name, found.end) == ("lr", "upper")
    assert found.message == (
        "the best 5 trials sit at the upper end of lr (0.0001..1 log): widen it"
    )
    assert found.p_value == pytest.approx(2e-5)  # of two ends


def test_four_of_five_are_enough_three_are_not() -> None:
    [found] = boundaries(_with("lr", [0.5, 0.9, 0.45, 1.0, 0.01]), _space(LR))
    assert found.message.startswith("4 of the best 5 trials")
    assert boundaries(_with("lr", [0.5, 0.9, 0.45, 0.01, 0.01]), _space(LR)) == ()


def test_a_lower_end_is_hit_too_unless_it_is_zero() -> None:
    low = _with("lr", [1e-4, 1.1e-4, 2e-4, 1.5e-4, 2.4e-4])
    assert [found.end for found in boundaries(low, _space(LR))] == ["lower"]
    none = _with("drop_rate", [0.0] * 5)
    assert boundaries(none, _space(Float("drop_rate", 0.0, 0.5, step=0.1))) == ()


def test_nothing_lies_below_one_of_what_is_counted() -> None:
    assert boundaries(_with("depth", [1] * 5), _space(Int("depth", 1, 6))) == ()
    assert len(boundaries(_with("depth", [2] * 5), _space(Int("depth", 2, 6)))) == 1


def test_one_value_of_two_is_hit_by_all_five_only() -> None:
    depth = _space(Int("depth", 1, 2))
    assert len(boundaries(_with("depth", [2] * 5), depth)) == 1  # (1/2)^5 = 0.03
    assert boundaries(_with("depth", [2, 2, 2, 2, 1]), depth) == ()  # 6/32 = 0.19


def test_nothing_is_more_random_than_a_flip_of_every_second_image() -> None:
    flips = Float("flip_horizontal", 0.0, 0.5, step=0.1)
    assert boundaries(_with("flip_horizontal", [0.5] * 5), _space(flips)) == ()
    shifts = Float("shift_x_fraction", 0.0, 0.5, step=0.1)
    assert len(boundaries(_with("shift_x_fraction", [0.5] * 5), _space(shifts))) == 1


def test_an_end_of_a_logarithmic_range_of_few_integers_is_hit_by_chance() -> None:
    row = Int("convolutions", 2, 4, log=True)
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    drawn = [
        study.ask({"convolutions": distribution(row)}).params["convolutions"] for _ in range(2000)
    ]
    for end, value in (("lower", 2), ("upper", 4)):
        assert chance(row.to_json(), end) == pytest.approx(drawn.count(value) / 2000, abs=0.03)
    assert boundaries(_with("convolutions", [2, 2, 2, 2, 3]), _space(row)) == ()


def test_where_a_sampler_drew_most_trials_they_must_also_be_better() -> None:
    rng = np.random.default_rng(0)
    rates = [*rng.uniform(0.4, 1.0, 45), *np.geomspace(1e-4, 0.1, 15)]
    noise = rng.normal(0.7, 0.03, 60)
    noise[:5] = 0.85  # the best, by luck where most are
    params = [{"lr": float(lr)} for lr in rates]
    assert boundaries(_trials(params, list(noise)), _space(LR)) == ()
    better = [float(value) + 0.05 * (lr >= 0.4) for value, lr in zip(noise, rates, strict=True)]
    assert [found.end for found in boundaries(_trials(params, better), _space(LR))] == ["upper"]


def test_the_more_ends_the_more_it_takes() -> None:
    of_three = Int("depth", 1, 3)  # four or five of five at one end: 0.045 by chance
    trials = _with("depth", [3, 3, 3, 3, 1])
    assert len(boundaries(trials, _space(of_three))) == 1
    with_another = _space(of_three, Float("other", -1.0, 10.0))
    assert boundaries(trials, with_another) == ()


def test_the_same_point_five_times_is_one_trial() -> None:
    trials = _trials([{"lr": 1.0}] * 6, [0.9, 0.9, 0.9, 0.9, 0.9, 0.1])
    assert boundaries(trials, _space(LR)) == ()


def test_choices_and_single_values_have_no_ends() -> None:
    rows = _space(Choice("pool", ("max", "average")), Float("x", 0.5, 0.5))
    assert boundaries(_with("x", [0.5] * 5), rows) == ()
    assert boundaries([], rows) == ()


def _square(n: int, value: Callable[[float, float], float], seed: int = 0) -> list[FrozenTrial]:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (n, 3))
    noise = rng.normal(0, 0.05, n)
    params = [{"a": float(a), "b": float(b), "c": float(c)} for a, b, c in points]
    values = [value(a, b) + e for (a, b, _), e in zip(points, noise, strict=True)]
    return _trials(params, values)


ABC = _space(*(Float(name, 0.0, 1.0) for name in "abc"))


def test_parameters_that_are_good_only_together_interact() -> None:
    [found] = interactions(_square(60, lambda a, b: (a > 0.5) == (b > 0.5)), ABC)
    assert found.names == ("a", "b")
    assert found.p_value < 1e-3
    assert found.message.count("with b") == 4


def test_effects_that_add_up_do_not_interact() -> None:
    assert interactions(_square(60, lambda a, b: (a + b) / 2), ABC) == ()


def test_equal_values_do_not_interact() -> None:
    for value in (0.9722, 1 / 3):
        trials = _square(60, lambda a, b: 0.0)
        equal = _trials([trial.params for trial in trials], [value] * 60)
        assert interactions(equal, ABC) == ()


def test_effects_that_add_up_on_a_bent_scale_do_not_interact() -> None:
    def ruinous(a: float, b: float) -> float:
        return -3 * a**6 + 0.3 * b

    n_found = sum(bool(interactions(_square(100, ruinous, seed), ABC)) for seed in range(40))
    assert n_found <= 6  # 2 expected; more in one case of a hundred


def test_noise_does_not_interact() -> None:
    n_found = sum(
        bool(interactions(_square(60, lambda a, b: 0.0, seed), ABC)) for seed in range(40)
    )
    assert n_found <= 6  # 2 expected; more in one case of a hundred


def test_few_trials_tell_no_interaction() -> None:
    assert interactions(_square(12, lambda a, b: (a > 0.5) == (b > 0.5)), ABC) == ()
    assert interactions([], ABC) == ()
