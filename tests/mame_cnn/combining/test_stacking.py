from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import Ridge

from mame_cnn.combining.combination import ClassWeighted
from mame_cnn.combining.combiners import mean
from mame_cnn.combining.logistic import logistic_path, logistic_scores, tempered_mean
from mame_cnn.combining.members import Labels, Probs
from mame_cnn.combining.ridge import ridge_path, squared_errors, stretched_mean
from mame_cnn.combining.stacking import SPREADS, logistic, ridge
from mame_cnn.combining.temperature import fit_temperature
from tests.mame_cnn.combining.made_up import accuracy, members

RNG = np.random.default_rng
Stacking = Callable[[Probs, Labels, np.random.Generator], ClassWeighted]


def features(probs: Probs) -> Probs:
    by_class = probs.transpose(2, 1, 0)
    return np.concatenate([by_class, np.ones((*by_class.shape[:2], 1))], axis=2)


def test_ridge_equals_that_of_scikit_learn_about_its_centre() -> None:
    probs, labels = members(np.array([0.5, 1.0, 2.0]), 80, 4)
    columns = features(probs)
    centre = stretched_mean(columns, labels)
    s2 = (squared_errors(columns, labels, centre).sum() + 1) / (4 * 80)
    for spread, weights in zip((0.1, 1.0), ridge_path(columns, labels, (0.1, 1.0)), strict=True):
        for k in range(4):
            model = Ridge(alpha=s2 / spread**2, fit_intercept=False)
            model.fit(columns[k], (labels == k) - columns[k] @ centre[k])
            assert np.allclose(weights[k], centre[k] + model.coef_)


def test_logistic_regression_reaches_the_minimum_that_a_plain_search_finds() -> None:
    probs, labels = members(np.array([0.5, 1.0, 2.0]), 90, 3)
    columns = features(np.log(probs))
    centre = tempered_mean(columns, labels)

    def objective(flat: Probs, spread: float) -> float:
        weights = flat.reshape(centre.shape)
        logits = np.einsum("knf,kf->nk", columns, weights)
        log_loss = -log_softmax(logits, axis=1)[np.arange(90), labels].sum()
        return float(log_loss + ((weights - centre) ** 2).sum() / (2 * spread**2))

    for spread, weights in zip(SPREADS, logistic_path(columns, labels, SPREADS), strict=True):
        plain = minimize(objective, centre.ravel(), (spread,), method="BFGS").x
        assert objective(weights.ravel(), spread) <= objective(plain, spread) + 0.01
        assert np.allclose(
            logistic_scores(columns, weights),
            logistic_scores(columns, plain.reshape(centre.shape)),
            atol=0.005,
        )


def test_the_centre_of_ridge_is_the_mean_at_the_slope_that_least_squares_finds() -> None:
    probs, labels = members(np.full(5, 1.0), 300, 4)
    weights = stretched_mean(features(probs), labels)
    said, true = probs.mean(0).ravel(), np.eye(4)[labels].ravel()
    slope, intercept = np.polyfit(said, true, 1)
    assert weights[:, :5] == pytest.approx(np.full((4, 5), slope / 5), rel=0.05)
    assert weights[:, 5] == pytest.approx(np.full(4, intercept), rel=0.05)


def test_the_centre_of_logistic_regression_is_the_geometric_mean_at_its_temperature() -> None:
    probs, labels = members(np.full(5, 1.0), 300, 4)
    geometric = softmax(np.log(probs).mean(0), axis=1)
    weights = tempered_mean(features(np.log(probs)), labels)
    assert weights[:, :5] == pytest.approx(
        np.full((4, 5), 1 / fit_temperature(geometric, labels) / 5), rel=0.02
    )
    assert (weights[:, 5] == 0).all()


@pytest.mark.parametrize("combiner", [ridge, logistic])
def test_members_good_for_some_classes_each_are_worth_more_than_their_mean(
    combiner: Stacking,
) -> None:
    skills = np.where(np.arange(3)[:, None] == np.arange(6) // 2, 3.0, 0.0)
    probs, labels = members(skills, 1200, 6, noise=1.5)
    inside, outside = slice(None, 600), slice(600, None)
    fitted = combiner(probs[:, inside], labels[inside], RNG(0))
    plain = mean(probs[:, inside], labels[inside], RNG(0))
    gain = accuracy(fitted.combine(probs[:, outside]), labels[outside]) - accuracy(
        plain.combine(probs[:, outside]), labels[outside]
    )
    assert gain > 0.05
    weights = np.array(fitted.weights)  # [M, K]
    assert (weights.argmax(0) == np.arange(6) // 2).all()


@pytest.mark.parametrize("combiner", [ridge, logistic])
def test_few_images_of_members_that_are_alike_lead_back_to_nearly_equal_weights(
    combiner: Stacking,
) -> None:
    probs, labels = members(np.full(8, 1.0), 40, 4)
    weights = np.array(combiner(probs, labels, RNG(0)).weights)
    assert weights.std() < 0.1 * weights.mean()


@pytest.mark.parametrize("combiner", [ridge, logistic])
def test_certainty_classes_of_one_image_and_one_member_can_be_fitted(combiner: Stacking) -> None:
    labels = np.array([0, 1, 2, 2])
    certain = np.eye(3)[[0, 1, 2, 0]][None]
    assert np.isfinite(combiner(certain, labels, RNG(0)).combine(certain)).all()
    assert np.isfinite(combiner(certain[:, :1], labels[:1], RNG(0)).combine(certain)).all()
