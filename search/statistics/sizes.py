"""How many images or seeds it takes to tell two trials apart.

Both answers take the difference that was observed for the true one. They are for a two-sided
test at 5 % that finds it four times out of five.
"""

from math import ceil, sqrt

from scipy import stats

from search.statistics.interval import LEVEL, NORMAL_QUANTILE

_POWER = 0.8
"""The chance to find a difference that is there (Cohen 1988)."""
_POWER_QUANTILE = 0.8416212335729143
"""Of the standard normal distribution at the power."""
_FEWEST_DISCORDANT = 6
"""Of five images that tell two trials apart, even five for one of them are p = 2 / 2^5 = 0.06."""


def images_needed(difference: float, discordance: float) -> int | None:
    """Return how many images McNemar's test needs (Connor 1987, Biometrics 43).

    None where there is no difference, which no number of images tells.

    Args:
        difference: of the two accuracies.
        discordance: share of the images that one of the two alone has right.
    """
    if difference == 0:
        return None
    spread = sqrt(max(0.0, discordance - difference**2))
    reach = NORMAL_QUANTILE * sqrt(discordance) + _POWER_QUANTILE * spread
    return max(ceil((reach / difference) ** 2), ceil(_FEWEST_DISCORDANT / discordance))


def seeds_needed(difference: float, discordance: float, n_images: int) -> int | None:
    """Return how many seeds each configuration needs, all scored on the same n images.

    None where there is no difference. The size of a two-sample t test, by the noncentral t; the
    normal theory's 2 (z + z')^2 s^2 / d^2 is where the count begins.
    The variance s^2 between seeds is not known from one training each. It is taken as
    discordance / (2 n): two seeds of one configuration differ on about as many images as the two
    trials do, independently from image to image. That is too much for alike trials' seeds and too
    little where a seed makes a network better or worse as a whole.
    """
    if difference == 0:
        return None
    variance = discordance / (2 * n_images)
    reach = (NORMAL_QUANTILE + _POWER_QUANTILE) ** 2
    n = max(2, ceil(2 * reach * variance / difference**2))
    while _power(n, abs(difference) / sqrt(variance)) < _POWER:
        n += 1
    return n


def _power(n: int, effect: float) -> float:
    """Return the chance of two groups of n to differ, by a true effect in standard deviations."""
    n_free = 2 * n - 2
    least = stats.t.ppf((1 + LEVEL) / 2, n_free)
    return float(stats.nct.sf(least, n_free, effect * sqrt(n / 2)))
