"""The combiners by name, simplest first: each fits a combination to probabilities and labels."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from mame_cnn.combining.combination import Combination, Geometric, Weighted
from mame_cnn.combining.greedy import greedy
from mame_cnn.combining.members import Labels, Probs, checked
from mame_cnn.combining.scoring import best_first, is_right, losses
from mame_cnn.combining.stacking import logistic, ridge

Combiner = Callable[[Probs, Labels, np.random.Generator], Combination]


def single(probs: Probs, labels: Labels, rng: np.random.Generator) -> Weighted:
    """Return the best member alone: highest accuracy, ties by log loss, then the first."""
    probs, labels = checked(probs, labels)
    n_right = is_right(probs, labels).sum(-1)
    best = best_first(n_right, losses(probs, labels).mean(-1))[0]
    return Weighted("single", tuple(np.eye(len(probs))[best].tolist()))


def mean(probs: Probs, labels: Labels, rng: np.random.Generator) -> Weighted:
    """Return the arithmetic mean, which needs no fitting."""
    return Weighted("mean", (1 / len(probs),) * len(probs))


def geometric(probs: Probs, labels: Labels, rng: np.random.Generator) -> Geometric:
    """Return the geometric mean, which needs no fitting."""
    return Geometric("geometric", (1 / len(probs),) * len(probs))


COMBINERS: Mapping[str, Combiner] = MappingProxyType(
    {
        "single": single,
        "mean": mean,
        "geometric": geometric,
        "greedy": greedy,
        "ridge": ridge,
        "logistic": logistic,
    }
)
