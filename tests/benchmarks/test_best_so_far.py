"""Arithmetic of curves, against hand-made ones."""

import math

import pytest

from benchmarks.best_so_far import best_so_far, mean_height, median_curve, seconds_to, value_at

CURVE = ((2.0, 0.5), (4.0, 0.75))


def test_a_curve_keeps_improvements_only() -> None:
    seen = [(1.0, 0.2), (2.0, 0.1), (3.0, 0.2), (4.0, 0.6), (5.0, 0.5)]
    assert best_so_far(seen) == ((1.0, 0.2), (4.0, 0.6))


def test_the_best_of_a_moment_counts_for_it() -> None:
    assert value_at(best_so_far([(1.0, 0.2), (1.0, 0.4)]), 1.0) == 0.4


@pytest.mark.parametrize(
    ("when_s", "value"), [(0.0, 0.0), (1.9, 0.0), (2.0, 0.5), (3.9, 0.5), (9.0, 0.75)]
)
def test_a_value_holds_until_a_better_one(when_s: float, value: float) -> None:
    assert value_at(CURVE, when_s) == value


@pytest.mark.parametrize(
    ("level", "seen_s"), [(0.3, 2.0), (0.5, 2.0), (0.51, 4.0), (0.75, 4.0), (0.76, math.inf)]
)
def test_a_level_is_reached_by_a_value_of_at_least_it(level: float, seen_s: float) -> None:
    assert seconds_to(CURVE, level) == seen_s


@pytest.mark.parametrize(
    ("until_s", "area"),
    [
        (1.0, 0.0),
        (3.0, 1 * 0.5),
        (10.0, 2 * 0.5 + 6 * 0.75),
    ],
)
def test_the_mean_height_is_the_area_over_the_time(until_s: float, area: float) -> None:
    assert mean_height(CURVE, until_s) == pytest.approx(area / until_s)


def test_an_empty_curve_is_nothing_for_ever() -> None:
    assert value_at((), 5.0) == 0.0
    assert seconds_to((), 0.1) == math.inf
    assert mean_height((), 5.0) == 0.0


def test_a_median_curve_is_the_median_at_every_moment() -> None:
    others = ((1.0, 0.6),), ((3.0, 0.2), (5.0, 0.9))
    curve = median_curve([CURVE, *others])
    for when_s in (0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0, 6.0):
        middle = sorted(value_at(one, when_s) for one in (CURVE, *others))[1]
        assert value_at(curve, when_s) == middle
    assert curve == ((2.0, 0.5), (4.0, 0.6), (5.0, 0.75))
