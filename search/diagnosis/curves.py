"""A trial's curves as the rules see them, and how much of what they see is chance.

The yardstick is the binomial standard error of an accuracy on n images, sqrt(p (1 - p) / n). Rules
compare with it, so that the same curve means less on 200 validation images than on 20,000.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import stats

from search.files.history import History
from search.space.values import Value

MIN_EPOCHS = 3
"""The fewest that show a course: two points have a difference, but nothing to judge it by."""
TAIL_EPOCHS = 3
"""The end of a curve is the mean of its last three epochs, which one bad epoch cannot turn."""
Z = 1.96
"""Standard errors of a two-sided 95 % interval."""
Z_CHANCE = 3
"""Standard errors above chance. Few right answers are skewed: with 29 classes and 1,450 images one
epoch in 400 exceeds it (0.135 % by the normal distribution), one of 30 in 7 trials of 100."""

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """A history with the sizes that give its numbers their meaning."""

    history: History
    n_val: int
    """Validation images."""
    n_classes: int
    chance: float
    """The accuracy of an answer that does not depend on the image."""
    budget_epochs: int
    """The most epochs that a trial of the study trains."""

    @cached_property
    def epochs(self) -> tuple[int, ...]:
        """The epochs in order."""
        return self.history.epochs

    @cached_property
    def val(self) -> Curve:
        """Validation accuracy, an entry an epoch."""
        return np.asarray(self.history.values, dtype=np.float64)

    def metric(self, name: str) -> Curve | None:
        """Return another curve; None where the trial has none that is finite throughout."""
        column = np.asarray(self.history.metrics.get(name, ()), dtype=np.float64)
        return column if len(column) and np.isfinite(column).all() else None

    @property
    def params(self) -> Mapping[str, Value]:
        """The trial's own parameters."""
        return self.history.params

    @cached_property
    def val_end(self) -> float:
        """Validation accuracy at the end."""
        return end_of(self.val)

    @cached_property
    def train_end(self) -> float | None:
        """Training accuracy at the end."""
        train = self.metric("train_accuracy")
        return None if train is None else end_of(train)

    @cached_property
    def standard_error(self) -> float:
        """Of the validation accuracy at the end."""
        return standard_error(self.val_end, self.n_val)

    @cached_property
    def resolution(self) -> float:
        """The least difference that two accuracies like this one show, each on n images.

        1.96 sqrt(2) standard errors, as for independent sets of images; the same images tell a
        little more.
        """
        return Z * math.sqrt(2) * self.standard_error

    @property
    def has_trained_all(self) -> bool:
        """Whether the whole budget was spent."""
        return self.history.is_complete and self.epochs[-1] >= self.budget_epochs

    @property
    def most_by_chance(self) -> float:
        """The most that an accuracy at chance shows, but for one epoch in some hundreds."""
        return self.chance + Z_CHANCE * standard_error(self.chance, self.n_val)

    def learnt(self, accuracy: float) -> float:
        """Return which share of the way from chance to 1 an accuracy has gone."""
        return (accuracy - self.chance) / (1 - self.chance)


def standard_error(accuracy: float, n_images: int) -> float:
    """Return the binomial standard error of an accuracy.

    Accuracies of 0 and 1 count as half an image off, as they are not known without error.
    """
    p = min(max(accuracy, 0.5 / n_images), 1 - 0.5 / n_images)
    return math.sqrt(p * (1 - p) / n_images)


def end_of(curve: Curve) -> float:
    """Return the mean of a curve's last epochs."""
    return float(curve[-TAIL_EPOCHS:].mean())


@dataclass(frozen=True)
class Trend:
    """A straight line through some epochs."""

    rise: float
    """Of the line from the first to the last of them."""
    p_rising: float
    """The probability of a line as steep if the course were level (one-sided t test)."""
    p_falling: float


def trend(epochs: Sequence[int], curve: Curve) -> Trend:
    """Return the least-squares line through at least three epochs."""
    line = stats.linregress(np.asarray(epochs, dtype=np.float64), curve)
    rise = float(line.slope) * (epochs[-1] - epochs[0])
    if line.stderr == 0:  # without residuals: certain, unless it is level
        return Trend(rise, float(rise <= 0), float(rise >= 0))
    t = float(line.slope / line.stderr)
    n_free = len(curve) - 2
    return Trend(rise, float(stats.t.sf(t, n_free)), float(stats.t.cdf(t, n_free)))
