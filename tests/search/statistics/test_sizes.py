from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom, nct, t

from search.statistics.mcnemar import mcnemar
from search.statistics.sizes import images_needed, seeds_needed


@pytest.mark.parametrize(("difference", "discordance"), [(0.02, 0.1), (-0.05, 0.3), (0.1, 0.2)])
def test_so_many_images_find_the_difference_four_times_in_five(
    difference: float, discordance: float
) -> None:
    # The exact power, over every number of images that differ and every way that they fall.
    n = images_needed(difference, discordance)
    assert n is not None
    first_share = (discordance + difference) / 2 / discordance
    power = 0.0
    weights = binom.pmf(np.arange(n + 1), n, discordance)
    for n_different in np.flatnonzero(weights > 1e-6):
        first = np.arange(n_different + 1)
        found = mcnemar(first, n_different - first) <= 0.05
        power += weights[n_different] * binom.pmf(first, n_different, first_share)[found].sum()
    # The exact test is a little more careful than the formula, which is asymptotic.
    assert 0.74 < power < 0.81


@pytest.mark.parametrize(("difference", "discordance"), [(0.005, 0.15), (0.01, 0.2), (0.02, 0.2)])
def test_so_many_seeds_find_the_difference_four_times_in_five(
    difference: float, discordance: float
) -> None:
    n = seeds_needed(difference, discordance, n_images=1450)
    assert n is not None
    deviation = sqrt(discordance / 2 / 1450)

    def power(n_seeds: int) -> float:
        freedom, shift = 2 * n_seeds - 2, difference / deviation * sqrt(n_seeds / 2)
        beyond = t.ppf(0.975, freedom)
        return float(nct.sf(beyond, freedom, shift) + nct.cdf(-beyond, freedom, shift))

    assert power(n) >= 0.8
    assert n == 2 or power(n - 1) < 0.8


def test_so_few_images_that_no_test_can_tell_are_not_enough() -> None:
    assert images_needed(1.0, 1.0) == 6  # the fewest of which McNemar's p can be below 0.05
    assert mcnemar(np.array([6]), np.array([0])) <= 0.05 < mcnemar(np.array([5]), np.array([0]))


def test_no_difference_is_found_by_no_number() -> None:
    assert images_needed(0.0, 0.2) is None
    assert seeds_needed(0.0, 0.2, 1450) is None
