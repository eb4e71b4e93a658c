"""The interval of a share, such as an accuracy."""

from math import sqrt

from search.statistics.interval import NORMAL_QUANTILE, Interval


def wilson(share: float, n: int) -> Interval:
    """Return the 95 % interval of a share of n (Wilson 1927, without continuity correction).

    The share need not be a whole number of n: a corrected accuracy is none.
    """
    z2 = NORMAL_QUANTILE**2
    middle = (share * n + z2 / 2) / (n + z2)
    half = NORMAL_QUANTILE / (n + z2) * sqrt(n * share * (1 - share) + z2 / 4)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
