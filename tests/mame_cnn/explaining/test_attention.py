"""How much of the attention falls on the border."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from mame_cnn.explaining.attention import BORDER_AREA, attention, border_shares, mean_heat

CLASSES = ("bronze", "clay", "silk")


def heat(*maps: np.ndarray) -> np.ndarray:
    return np.stack(maps).astype(np.float16)


def test_attention_that_is_the_same_everywhere_has_the_border_s_share_of_the_area() -> None:
    for side in (1, 4, 7, 64):
        assert border_shares(heat(np.ones((side, side))))[0] == pytest.approx(7 / 16)
    assert border_shares(heat(np.ones((3, 3)))).item() == pytest.approx(BORDER_AREA)


def test_pixels_of_a_fine_map_are_counted_where_they_are() -> None:
    corner, middle = np.zeros((64, 64)), np.zeros((64, 64))
    corner[7, 30], middle[8, 55] = 1, 1
    both = (corner + middle) / 1
    assert border_shares(heat(corner, middle, both)).tolist() == [1, 0, 0.5]


def test_an_empty_map_has_no_share_and_counts_nowhere() -> None:
    empty, full = np.zeros((4, 4)), np.ones((4, 4))
    shares = border_shares(heat(empty, full))
    assert np.isnan(shares[0])
    found = attention(shares, np.array([0, 0]), CLASSES)
    assert [each.n_images for each in found] == [1, 1, 0, 0]
    assert np.isnan([found[0].low, found[2].mean, found[2].low]).all()
    assert not any(each.is_on_border for each in found)
    np.testing.assert_allclose(mean_heat(heat(empty, full), np.array([True, True])), full)
    np.testing.assert_allclose(mean_heat(heat(empty), np.array([True])), empty)


def test_the_interval_is_student_s() -> None:
    random = np.random.default_rng(0)
    values, labels = random.uniform(0.3, 0.6, 60), np.repeat([0, 1], 30)
    found = attention(values, labels, CLASSES)
    assert [each.name for each in found] == ["all classes", *CLASSES]
    expected = ttest_1samp(values[labels == 1], 0).confidence_interval(0.95)
    assert (found[2].low, found[2].high) == pytest.approx(tuple(expected))
    assert found[0].mean == pytest.approx(values.mean())


def test_ends_stay_within_what_a_value_can_be() -> None:
    labels = np.zeros(3, dtype=np.int64)
    [_, wide, *_] = attention(np.array([0.0, 0.5, 1.0]), labels, CLASSES)
    assert (wide.low, wide.high) == (0, 1)
    [_, lower, *_] = attention(np.array([-0.9, -0.5, -0.7]), labels, CLASSES, lowest=-1)
    assert lower.low == -1
    assert lower.high < 0


def test_only_what_is_surely_more_than_the_area_is_on_the_border() -> None:
    labels = np.repeat([0, 1], 20)
    values = np.concatenate([np.linspace(0.55, 0.65, 20), np.linspace(0, 0.95, 20)])
    [_, sure, unsure, _] = attention(values, labels, CLASSES)
    assert unsure.mean > BORDER_AREA
    assert [sure.is_on_border, unsure.is_on_border] == [True, False]
