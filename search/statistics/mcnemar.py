"""Whether one classifier is better than another on the same images."""

import numpy as np
import numpy.typing as npt
from scipy.stats import binom


def mcnemar(n_first_only: npt.ArrayLike, n_second_only: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return p-values of the exact test (McNemar 1947), two-sided.

    Images that both have right, or both wrong, tell nothing. Of those that one alone has right,
    either would have half if both were equally good: a binomial test, whose two tails are alike.
    Conservative by nature, since counts are whole numbers; 1 where the two never differ.

    Args:
        n_first_only: images that the first alone has right, for one pair or many.
        n_second_only: images that the second alone has right.
    """
    first, second = np.asarray(n_first_only), np.asarray(n_second_only)
    tail = binom.cdf(np.minimum(first, second), first + second, 0.5)
    return np.minimum(1.0, 2 * np.asarray(tail, dtype=np.float64))
