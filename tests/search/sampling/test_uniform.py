"""Uniform draws, beside Optuna's own random sampler."""

from collections import Counter
from random import Random

import optuna
import pytest
from optuna.samplers import RandomSampler

from search.sampling.distributions import distribution, uniform
from search.space import Float, Int
from search.space.parameters import Parameter

N = 3000


@pytest.mark.parametrize(
    "parameter",
    [
        Float("flip", 0.0, 0.5, step=0.25),
        Int("depth", 2, 8, step=2),
        Int("convolutions", 2, 4, log=True),
        Int("trees", 1, 6, log=True),
    ],
)
def test_each_value_is_drawn_as_often_as_by_optuna(parameter: Parameter) -> None:
    random = Random(0)
    own = Counter(uniform(parameter, random) for _ in range(N))
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    rows = {parameter.name: distribution(parameter)}
    theirs = Counter(study.ask(rows).params[parameter.name] for _ in range(N))
    assert own.keys() == theirs.keys()
    for value in own:
        assert own[value] / N == pytest.approx(theirs[value] / N, abs=0.045), value


def test_a_logarithmic_range_is_even_in_its_logarithm() -> None:
    random = Random(0)
    drawn = [uniform(Float("lr", 1e-4, 1.0, log=True), random) for _ in range(N)]
    shares = [sum(float(value) < 10.0**-power for value in drawn) / N for power in (3, 2, 1)]
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.03)
