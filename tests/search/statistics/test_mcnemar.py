from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from search.statistics.mcnemar import mcnemar


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 3), (1, 6), (7, 2), (0, 10)])
def test_the_p_value_counts_all_outcomes_that_are_at_least_as_uneven(
    first: int, second: int
) -> None:
    outcomes = [sum(one) for one in product((0, 1), repeat=first + second)]
    uneven = abs(first - second)
    as_uneven = [one for one in outcomes if abs(2 * one - first - second) >= uneven]
    assert mcnemar(first, second) == pytest.approx(len(as_uneven) / len(outcomes))


def test_many_pairs_at_once_are_scipys_binomial_tests() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 200, (2, 50))
    theirs = [
        binomtest(int(one), int(one + other)).pvalue
        for one, other in zip(first, second, strict=True)
    ]
    assert mcnemar(first, second) == pytest.approx(theirs)


def test_two_that_never_differ_cannot_be_told() -> None:
    assert mcnemar(0, 0) == 1
