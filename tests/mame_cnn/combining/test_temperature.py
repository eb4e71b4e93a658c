import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from commands.errors import UserError
from mame_cnn.combining.temperature import (
    apply_temperature,
    fit_temperature,
    out_of_fold_temperature,
)
from tests.mame_cnn.combining.made_up import members


def test_the_fitted_temperature_is_the_best_of_a_fine_grid() -> None:
    (probs,), labels = members(np.array([1.0]), 200, 4, noise=3)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 300))
    best = min(
        grid,
        key=lambda t: (
            len(labels) * log_loss(labels, apply_temperature(probs, t)) + np.log(t) ** 2 / 2
        ),
    )
    assert fit_temperature(probs, labels) == pytest.approx(best, rel=0.02)


def test_logits_exaggerated_threefold_are_tempered_by_three() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    labels = (softmax(logits, 1).cumsum(1) < rng.random((20_000, 1))).sum(1)
    assert fit_temperature(softmax(3 * logits, 1), labels) == pytest.approx(3, rel=0.05)


def test_a_temperature_of_1_changes_nothing_and_none_changes_the_order() -> None:
    (probs,), _ = members(np.array([1.0]), 50, 4)
    assert np.allclose(apply_temperature(probs, 1), probs, atol=1e-12)
    for temperature in (0.3, 4.0):
        tempered = apply_temperature(probs, temperature)
        assert (tempered.argsort(1) == probs.argsort(1)).all()
    assert (apply_temperature(probs, 4.0).max(1) < probs.max(1)).all()


def test_certain_and_wrong_is_tempered_as_far_as_the_search_goes_without_a_fault() -> None:
    wrong = np.eye(2)[[1, 0, 1] * 10]
    assert fit_temperature(wrong, np.array([0, 1, 0] * 10)) > 18


def test_few_images_that_are_all_right_do_not_make_it_certain() -> None:
    random = np.random.default_rng(0)
    chosen = random.integers(0, 2, 50)
    right = np.full(50, 0.982)  # as often right as it says: all fifty in two draws of five
    probs = np.stack([np.where(chosen == k, right, 1 - right) for k in (0, 1)], axis=1)
    temperature = fit_temperature(probs, chosen)
    labels = np.where(random.random(5000) < 0.982, 0, 1)
    elsewhere = np.tile([0.982, 0.018], (5000, 1))
    before, after = (log_loss(labels, apply_temperature(elsewhere, t)) for t in (1.0, temperature))
    assert after < 1.5 * before  # at 0.055, where the least log loss is, eight times


def test_an_image_has_no_part_in_the_temperature_that_it_is_given() -> None:
    (probs,), labels = members(np.array([2.0]), 40, 2, noise=2)
    before = out_of_fold_temperature(probs, labels, seed=0)
    changed = probs.copy()
    changed[7] = [0.5, 0.5]
    after = out_of_fold_temperature(changed, labels, seed=0)
    # Its own fold is tempered as before; the images of the other four folds are not.
    same = np.isclose(before, after, rtol=1e-12).all(1)
    assert same.sum() == 40 / 5 - 1
    assert np.allclose(before.sum(1), 1)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(UserError, match="temperature: must be a number above 0"):
        apply_temperature(np.full((2, 2), 0.5), temperature)


def test_one_image_has_no_other_folds() -> None:
    with pytest.raises(UserError, match="at least 2 images"):
        out_of_fold_temperature(np.array([[0.5, 0.5]]), np.array([0]), seed=0)
