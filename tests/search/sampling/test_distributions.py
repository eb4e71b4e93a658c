import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from search.sampling.distributions import distribution, distributions, suggest, tidy
from search.space import Choice, Float, Int, Parameter
from tests.search.fake_trainer import SPACE

PAIRS = [
    (Float("a", 0.0, 0.5), FloatDistribution(0.0, 0.5)),
    (Float("a", 1e-4, 1e-1, log=True), FloatDistribution(1e-4, 1e-1, log=True)),
    (Float("a", 0.1, 0.5, step=0.1), FloatDistribution(0.1, 0.5, step=0.1)),
    (Int("a", 1, 6), IntDistribution(1, 6)),
    (Int("a", 8, 128, log=True), IntDistribution(8, 128, log=True)),
    (Int("a", 16, 64, step=16), IntDistribution(16, 64, step=16)),
    (Choice("a", options=("adam", "sgd")), CategoricalDistribution(("adam", "sgd"))),
    (Choice("a", options=(32, 64)), CategoricalDistribution((32, 64))),
]


@pytest.mark.parametrize(("parameter", "expected"), PAIRS)
def test_each_kind_of_parameter_has_its_distribution(
    parameter: Parameter, expected: optuna.distributions.BaseDistribution
) -> None:
    assert distribution(parameter) == expected


def test_a_space_gives_its_distributions_in_order() -> None:
    assert list(distributions(SPACE)) == [parameter.name for parameter in SPACE.parameters]


@pytest.mark.parametrize(("parameter", "expected"), PAIRS)
def test_a_suggestion_stores_the_distribution_it_was_made_from(
    parameter: Parameter, expected: optuna.distributions.BaseDistribution
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    trial = study.ask()
    value = suggest(trial, parameter)
    assert parameter.contains(value)
    assert trial.distributions["a"] == expected


def test_a_drawn_value_is_put_exactly_on_the_grid() -> None:
    drop_rate = Float("drop_rate", 0.0, 0.5, step=0.1)
    assert 0.1 * 3 != 0.3
    assert tidy(drop_rate, 0.1 * 3) == 0.3


def test_a_drawn_value_has_a_plain_type() -> None:
    trial = FixedTrial({"lr": 0.1})
    assert type(tidy(Float("lr", 0.0, 1.0), trial.suggest_float("lr", 0, 1))) is float
    assert type(tidy(Int("depth", 1, 3), 2.0)) is int
    assert tidy(Choice("pool", options=("max",)), "max") == "max"
