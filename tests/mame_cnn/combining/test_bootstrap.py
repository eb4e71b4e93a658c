import numpy as np
import pytest

from mame_cnn.combining.bootstrap import corrected_accuracy, interval, resamples


def test_every_resample_draws_as_many_images_as_there_are() -> None:
    counts = resamples(30, seed=0)
    assert (counts.sum(1) == 30).all()
    assert counts.mean(0) == pytest.approx(np.ones(30), abs=0.15)


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(0.02, 0.5, 800)
    low, high = interval(values, resamples(800, seed=1))
    error = values.std() / np.sqrt(800)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_four_images_gained_and_none_lost_are_not_beyond_chance() -> None:
    gains = np.zeros(200)
    gains[:4] = 1
    low, high = interval(gains, resamples(200, seed=0))
    assert low <= 0 < high  # McNemar's exact test: p = 0.125
    gains[:12] = 1
    assert interval(gains, resamples(200, seed=0))[0] > 0  # p = 0.0005
    assert interval(np.ones(3), resamples(3, seed=0))[1] <= 1


def test_the_corrected_accuracy_equals_a_plain_loop_over_resamples() -> None:
    random = np.random.default_rng(0)
    right = random.integers(0, 2, (4, 12)).astype(float)
    loss = random.random((4, 12))
    counts = resamples(12, seed=2)
    scores = []
    for count in counts.astype(int):
        drawn = np.repeat(np.arange(12), count)
        keys = [(right[c, drawn].sum(), -loss[c, drawn].sum()) for c in range(4)]
        winner = max(range(4), key=keys.__getitem__)
        outside = count == 0
        scores.append(right[winner, outside].mean())
    assert corrected_accuracy(right, loss, counts) == pytest.approx(np.mean(scores))


def test_the_best_of_many_equal_combiners_is_corrected_down_to_what_they_are() -> None:
    random = np.random.default_rng(0)
    counts = resamples(100, seed=0)
    rights = (random.random((40, 20, 100)) < 0.6).astype(float)
    corrected = [corrected_accuracy(right, np.ones((20, 100)), counts) for right in rights]
    assert rights.mean(2).max(1).mean() > 0.67
    assert np.mean(corrected) == pytest.approx(0.6, abs=0.02)


def test_resamples_that_leave_no_image_out_are_passed_over() -> None:
    counts = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert corrected_accuracy(np.array([[0.0, 1.0]]), np.zeros((1, 2)), counts) == 1
