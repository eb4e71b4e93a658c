"""A space's parameters as Optuna knows them: distributions and suggestions.

The only file that translates between the two vocabularies; spaces know nothing of Optuna.
"""

import math
from random import Random
from typing import cast

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from search.space import Space
from search.space.parameters import Choice, Float, Int, Parameter
from search.space.values import Value


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the distribution that draws what the parameter may be."""
    if isinstance(parameter, Float):
        return FloatDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    if isinstance(parameter, Int):
        return IntDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    return CategoricalDistribution(parameter.options)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the distributions of all parameters, conditional ones included, in order."""
    return {parameter.name: distribution(parameter) for parameter in space.parameters}


def uniform(parameter: Parameter, random: Random) -> Value:
    """Return a value that a parameter may have, all (of a log range, all logarithms) alike."""
    if isinstance(parameter, Choice):
        return random.choice(parameter.options)
    if parameter.log:
        half = 0.5 if isinstance(parameter, Int) else 0.0  # to which values are rounded
        low, high = parameter.low - half, parameter.high + half
        drawn = math.exp(random.uniform(math.log(low), math.log(high)))
        drawn = min(max(drawn, parameter.low), parameter.high)
        return round(drawn) if isinstance(parameter, Int) else drawn
    if isinstance(parameter, Int):
        return random.randrange(parameter.low, parameter.high + 1, parameter.step)
    n_values = parameter.n_values()
    if n_values is None:
        return random.uniform(parameter.low, parameter.high)
    step = parameter.step or 0.0
    return parameter.nearest(parameter.low + random.randrange(n_values) * step)


def tidy(parameter: Parameter, drawn: float | str) -> Value:
    """Return a drawn value as the space writes it: of the right type, and exactly on its grid.

    Samplers compute `low + k * step` in floating point and may hand out NumPy scalars.
    """
    if isinstance(parameter, Float):
        return parameter.nearest(float(drawn))
    if isinstance(parameter, Int):
        return int(drawn)
    return drawn


def suggest(trial: Trial, parameter: Parameter) -> Value:
    """Ask the trial for the parameter's value, and store it there."""
    if isinstance(parameter, Float):
        return trial.suggest_float(
            parameter.name, parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    if isinstance(parameter, Int):
        return trial.suggest_int(
            parameter.name, parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    # Optuna's own type adds None and bool to what an option may be.
    return cast(Value, trial.suggest_categorical(parameter.name, parameter.options))
