import numpy as np
import pytest

from search.statistics import bootstrap as module
from search.statistics.bootstrap import N_RESAMPLES, bootstrap


def _answers(n_trials: int, n_images: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.random((n_trials, n_images)) < np.linspace(0.6, 0.7, n_trials)[:, None]


def test_inside_and_outside_are_what_a_plain_loop_finds() -> None:
    is_right = _answers(3, 20)
    found = bootstrap(is_right, seed=5)
    counts = np.random.default_rng((5, 20)).multinomial(20, [1 / 20] * 20, size=N_RESAMPLES)
    for b in (0, 7, N_RESAMPLES - 1):
        drawn = np.repeat(np.arange(20), counts[b])
        assert found.inside[b] == pytest.approx(is_right[:, drawn].mean(1))
        assert found.outside[b] == pytest.approx(is_right[:, counts[b] == 0].mean(1))


def test_a_resample_of_all_images_says_nothing_of_those_outside() -> None:
    found = bootstrap(np.array([[True, False]]), seed=0)
    has_all = found.inside[:, 0] == 0.5
    assert np.isnan(found.outside[:, 0]).tolist() == has_all.tolist()
    assert 0 < has_all.sum() < N_RESAMPLES


def test_the_interval_of_a_difference_is_that_of_the_analytic_variance() -> None:
    is_right = _answers(2, 1000)
    difference = is_right[1].mean() - is_right[0].mean()
    error = np.sqrt((is_right[1] ^ is_right[0]).mean() - difference**2) / np.sqrt(1000)
    interval = bootstrap(is_right, seed=1).difference(1, 0)
    assert interval.low == pytest.approx(difference - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(difference + 1.96 * error, abs=0.15 * error)


@pytest.mark.parametrize("n_images", [2, 20, 100])
def test_no_difference_is_more_than_all_images(n_images: int) -> None:
    is_right = np.stack([np.ones(n_images, dtype=bool), np.zeros(n_images, dtype=bool)])
    interval = bootstrap(is_right, seed=0).difference(0, 1)
    assert interval.low <= interval.high <= 1
    assert interval.moved(0.5).high == 1


def test_the_intervals_of_all_are_those_of_each() -> None:
    found = bootstrap(_answers(4, 50), seed=0)
    assert found.differences(over=2) == [found.difference(t, 2) for t in range(4)]


def test_two_that_never_differ_might_on_other_images() -> None:
    found = bootstrap(np.ones((2, 200), dtype=bool), seed=0)
    # Of the two made-up images 3 draws more of one than of the other are not rare.
    assert (found.difference(1, 0).low, found.difference(1, 0).high) == (-3 / 202, 3 / 202)


def test_an_interval_covers_where_two_trials_differ_on_few_images() -> None:
    random = np.random.default_rng(0)
    kind = random.random((300, 1, 200))
    # The first alone is right on 1.5 % of the images, the second alone on 0.5 %.
    pairs = np.concatenate([kind >= 0.005, (kind < 0.005) | (kind >= 0.02)], axis=1)
    found = bootstrap(pairs.reshape(-1, 200), seed=0)
    covered = [0.01 in found.difference(2 * pair, 2 * pair + 1) for pair in range(300)]
    assert np.mean(covered) > 0.935


def test_many_images_are_resampled_in_blocks_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_right = _answers(3, 30)
    at_once = bootstrap(is_right, seed=0)
    monkeypatch.setattr(module, "_MOST_COUNTS", 30 * 7)
    in_blocks = bootstrap(is_right, seed=0)
    assert np.array_equal(at_once.inside, in_blocks.inside)
    assert np.array_equal(at_once.outside, in_blocks.outside)
