"""Bootstrap over images: intervals of paired gains, and what choosing a winner has flattered.

Resampling images tells how the figures would differ on other images; combinations are not fitted
again, so the luck of a fit is seen only through the folds' repeats.
"""

import numpy as np

from mame_cnn.combining.members import Probs
from mame_cnn.combining.scoring import best_first

N_RESAMPLES = 2000


def resamples(n_images: int, seed: int) -> Probs:
    """Return [B, N] how often each image occurs in each of B samples with replacement."""
    rng = np.random.default_rng((seed, n_images))
    share = np.full(n_images, 1 / n_images)
    return rng.multinomial(n_images, share, size=N_RESAMPLES).astype(np.float64)


def interval(values: Probs, counts: Probs) -> tuple[float, float]:
    """Return the 95 % percentile interval of a paired gain: the mean of an image's value, [N].

    One image more is taken to be gained and one lost (Bonett and Price 2012, Journal of
    Educational and Behavioral Statistics 37, for the closed form): where two combiners differ on
    few images, resampling those alone is too sure.
    """
    n = len(values)
    rng = np.random.default_rng((n, 1))
    n_made_up = np.subtract(*rng.poisson(1, size=(2, len(counts))))
    low, high = np.quantile((counts @ values + n_made_up) / (n + 2), (0.025, 0.975))
    return max(-1.0, float(low)), min(1.0, float(high))


def corrected_accuracy(right: Probs, losses: Probs, counts: Probs) -> float:
    """Return the accuracy of the best of C combiners, corrected for being the best of them.

    Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou and Borboudakis 2018,
    Machine Learning 107): each resample chooses its winner, whose accuracy on the images outside
    the resample counts; the mean over resamples.

    Args:
        right: [C, N], simplest combiner first; 0, 1 or between where folds were repeated.
        losses: likewise, log loss; ties in accuracy are broken as everywhere here.
    """
    winners = best_first(counts @ right.T, counts @ losses.T)[:, 0]  # [B]
    outside = counts == 0
    n_outside = outside.sum(1)
    n_right = np.take_along_axis(outside @ right.T, winners[:, None], 1)[:, 0]
    # Of very few images a resample may hold all, and then has nothing to say.
    usable = n_outside > 0
    return float((n_right[usable] / n_outside[usable]).mean())
