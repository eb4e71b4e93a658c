import numpy as np
import pytest

from search.statistics.bootstrap import N_RESAMPLES, bootstrap
from search.statistics.winner import corrected_accuracy, corrected_gain


def test_every_resample_chooses_and_the_images_outside_score() -> None:
    random = np.random.default_rng(0)
    is_right = random.random((4, 15)) < 0.6
    counts = np.random.default_rng((0, 15)).multinomial(15, [1 / 15] * 15, size=N_RESAMPLES)
    scores = []
    for count in counts:
        drawn = np.repeat(np.arange(15), count)
        n_right = [int(is_right[t, drawn].sum()) for t in range(4)]
        scores.append(is_right[n_right.index(max(n_right)), count == 0].mean())
    corrected = corrected_accuracy(bootstrap(is_right, seed=0), range(4))
    assert corrected == pytest.approx(np.mean(scores))


def test_the_best_of_many_equal_trials_is_corrected_down_to_what_they_are() -> None:
    random = np.random.default_rng(1)
    is_right = random.random((30, 20, 100)) < 0.6
    found = bootstrap(is_right.reshape(-1, 100), seed=0)
    studies = [range(20 * study, 20 * study + 20) for study in range(30)]
    corrected = [corrected_accuracy(found, study) for study in studies]
    assert is_right.mean(2).max(1).mean() > 0.67
    assert np.mean(corrected) == pytest.approx(0.6, abs=0.015)


def test_one_trial_is_worth_its_accuracy() -> None:
    is_right = np.random.default_rng(0).random((3, 200)) < 0.7
    corrected = corrected_accuracy(bootstrap(is_right, seed=0), [1])
    assert corrected == pytest.approx(is_right[1].mean(), abs=1e-12)
    gain = corrected_gain(bootstrap(is_right, seed=0), [1], [2])
    assert gain == pytest.approx(is_right[1].mean() - is_right[2].mean(), abs=1e-12)


def test_a_clear_winner_keeps_its_accuracy() -> None:
    random = np.random.default_rng(0)
    is_right = random.random((10, 400)) < np.array([0.9, *[0.5] * 9])[:, None]
    corrected = corrected_accuracy(bootstrap(is_right, seed=0), range(10))
    assert corrected == pytest.approx(is_right[0].mean(), abs=0.003)


def test_more_trials_are_no_gain() -> None:
    random = np.random.default_rng(0)
    is_right = random.random((100, 25, 100)) < 0.6
    found = bootstrap(is_right.reshape(-1, 100), seed=0)
    raw, corrected = [], []
    for study in range(100):
        first = 25 * study
        few, many = range(first, first + 3), range(first + 3, first + 25)
        corrected.append(corrected_gain(found, of=many, over=few))
        accuracies = is_right[study].mean(1)
        raw.append(accuracies[3:].max() - accuracies[:3].max())
    assert np.mean(raw) > 0.04
    assert np.mean(corrected) == pytest.approx(0, abs=0.015)
