"""Boundaries hit and interactions: planted ones, and near misses."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from search.comparing.ranges import boundaries, interactions
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
    assert found.p_value == pytest.approx(1e-5)


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


def test_noise_does_not_interact() -> None:
    n_found = sum(
        bool(interactions(_square(60, lambda a, b: 0.0, seed), ABC)) for seed in range(40)
    )
    assert n_found <= 6  # 2 expected; more in one case of a hundred


def test_few_trials_tell_no_interaction() -> None:
    assert interactions(_square(12, lambda a, b: (a > 0.5) == (b > 0.5)), ABC) == ()
    assert interactions([], ABC) == ()
