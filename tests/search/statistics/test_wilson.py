import pytest
from scipy.stats import binomtest

from search.statistics.wilson import wilson


@pytest.mark.parametrize(("n_right", "n"), [(0, 10), (10, 10), (1, 2), (140, 200), (1015, 1450)])
def test_the_interval_is_scipys(n_right: int, n: int) -> None:
    theirs = binomtest(n_right, n).proportion_ci(0.95, method="wilson")
    ours = wilson(n_right / n, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_a_share_between_whole_numbers_lies_between_theirs() -> None:
    below, between, above = (wilson(n_right / 50, 50) for n_right in (30, 30.5, 31))
    assert below.low < between.low < above.low
    assert below.high < between.high < above.high
