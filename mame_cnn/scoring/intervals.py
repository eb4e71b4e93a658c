"""What the size of a split leaves open: 95 % intervals of scores.

Shares have Wilson's interval, means over classes one by bootstrap. Both are about other images
of this kind for the same network; neither is about training again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from mame_cnn.scoring.scores import (
    Floats,
    Integers,
    check_probs,
    is_in_top,
    losses,
    means_over_classes,
)

LEVEL = 0.95
N_RESAMPLES = 2000
"""Of the bootstrap: the ends are then means of some 50 values a side (2,000 * 2.5 %)."""


@dataclass(frozen=True)
class Interval:
    """Two ends, the lower first."""

    low: float
    high: float


def wilson(n_correct: int, n: int) -> Interval:
    """Return the 95 % interval of a share (Wilson 1927, without continuity correction)."""
    found = binomtest(n_correct, n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high))


def intervals(probs: Floats, labels: Integers, seed: int = 0) -> dict[str, Interval]:
    """Return the interval of each score by its name in `Scores`, but of the calibration error.

    That one is left out: it is biased upwards in small samples, and more so in a bootstrap's.
    The bootstrap is stratified: each class keeps its number of images, as the splits were drawn
    (MAMe's validation has 50 a class by design). It is smoothed by one image a class that is
    answered as anything, or a class without errors would seem to know none; the ends are
    percentiles, moved to lie around the score.
    """
    check_probs(probs, labels)
    random = np.random.default_rng(seed)
    n, predicted = len(labels), probs.argmax(1)
    confusions = confusion_matrix(labels, predicted, labels=range(probs.shape[1]))
    scores = means_over_classes(confusions[None])
    bootstrapped = means_over_classes(_resampled(confusions, random))
    nats = losses(probs, labels)
    accuracy = wilson(int((predicted == labels).sum()), n)
    return {
        "accuracy": accuracy,
        "top3_accuracy": wilson(int(is_in_top(probs, labels).sum()), n),
        **{
            name: _percentiles(values, around=float(scores[name][0]), most=1.0)
            for name, values in bootstrapped.items()
        },
        "weighted_recall": accuracy,  # which it is
        "log_loss": _percentiles(_resampled_mean(nats, labels, random), around=float(nats.mean())),
    }


def _resampled(
    confusions: npt.NDArray[np.integer], random: np.random.Generator
) -> npt.NDArray[np.integer]:
    """Return confusions [R, K, K] of resamples.

    To draw a class's images anew is to draw a multinomial from its row of counts.
    """
    n_classes = len(confusions)
    rows = [
        random.multinomial(row.sum(), (row + 1 / n_classes) / (row.sum() + 1), size=N_RESAMPLES)
        if row.sum()
        else np.zeros((N_RESAMPLES, len(row)), dtype=np.int64)
        for row in confusions
    ]
    return np.stack(rows, axis=1)


def _resampled_mean(
    values: npt.NDArray[np.float64], labels: Integers, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the mean over images [R] of resamples within classes.

    Resamples of n images spread by sqrt((n - 1) / n) too little, which is made good.
    """
    totals = np.zeros(N_RESAMPLES)
    for label in np.unique(labels):
        own = values[labels == label]
        n = len(own)
        spread = own[random.integers(n, size=(N_RESAMPLES, n))].sum(1) - own.sum()
        totals += own.sum() + spread * np.sqrt(n / max(1, n - 1))
    return totals / len(values)


def _percentiles(
    values: npt.NDArray[np.float64], *, around: float, most: float = np.inf
) -> Interval:
    """Return the ends of resampled scores, moved so that their mean is the score itself."""
    moved = values - values.mean() + around
    low, high = np.quantile(moved, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(max(0.0, min(float(low), around)), min(most, max(float(high), around)))
