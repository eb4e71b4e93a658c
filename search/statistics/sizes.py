"""How many images or seeds it takes to tell two trials apart.

Both answers take the difference that was observed for the true one. They are for a two-sided
test at 5 % that finds it four times out of five.
"""

from math import ceil, sqrt

from search.statistics.interval import NORMAL_QUANTILE

_POWER_QUANTILE = 0.8416212335729143
"""Of the standard normal distribution at 0.8, the chance to find a difference (Cohen 1988)."""


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
    return ceil((reach / difference) ** 2)


def seeds_needed(difference: float, discordance: float, n_images: int) -> int | None:
    """Return how many seeds each configuration needs, all scored on the same n images.

    None where there is no difference. Normal-theory size of a two-sample t test with Guenther's
    correction (1981, The American Statistician 35): 2 (z + z')^2 s^2 / d^2 + z^2 / 4, at least 2.
    The variance s^2 between seeds is not known from one training each. It is taken as
    discordance / (2 n): two seeds of one configuration differ on about as many images as the two
    trials do, independently from image to image. That is too much for alike trials' seeds and too
    little where a seed makes a network better or worse as a whole.
    """
    if difference == 0:
        return None
    variance = discordance / (2 * n_images)
    reach = (NORMAL_QUANTILE + _POWER_QUANTILE) ** 2
    return max(2, ceil(2 * reach * variance / difference**2 + NORMAL_QUANTILE**2 / 4))
